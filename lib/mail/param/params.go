package param

// Params are the parameters that this package itself computes or reads. No
// program needs their values; they are declared for the manual.
type Params struct {
	// Which networks are the default of mynetworks: "host", the addresses of
	// this machine and no others; "subnet", the networks of its interfaces;
	// "class", the whole class A, B or C networks that these belong to, which
	// may trust all customers of a provider.
	MyNetworksStyle string `param:"mynetworks_style" default:"${{$compatibility_level} <level {2} ? {subnet} : {host}}"`

	// The name of the program. Read only.
	ProcessName string `param:"process_name" default:""`

	// The process ID of the program. Read only.
	ProcessID string `param:"process_id" default:""`

	// The name of the service in master.cf that a daemon provides; the name of
	// the program in a command. Read only.
	ServiceName string `param:"service_name" default:""`

	// The day of this release, YYYYMMDD.
	MailReleaseDate string `param:"mail_release_date" default:""`

	Instance
}

// Instance is one of several mail systems on a machine.
type Instance struct {
	// The name of this instance of the mail system, where there are several on
	// a machine. It becomes a part of default values: it replaces "postfix" in
	// log lines.
	MultiInstanceName string `param:"multi_instance_name" default:""`
}

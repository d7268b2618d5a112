package table

// Params are parameters of types of tables.
type Params struct {
	// The largest reply of a socketmap server, in bytes, without the length in
	// front of it. A larger one is an error.
	SocketmapMaxReplySize int `param:"socketmap_max_reply_size" default:"100000" min:"1"`

	// Whether a daemon ends when it cannot open a table. With "no" it goes on, and
	// mail that needs the table waits until it is there.
	OpenErrorIsFatal bool `param:"daemon_table_open_error_is_fatal" default:"no"`
}

// CacheParams are the parameters of programs that keep a cache in a table.
type CacheParams struct {
	// The type of the tables that daemons keep as caches. Files that were
	// written as another type are not converted.
	DefaultCacheDBType string `param:"default_cache_db_type" default:"lmdb"`
}

var params = Params{SocketmapMaxReplySize: 100_000}

// Use makes p the parameters of all tables. A program calls it before it opens
// any; without it, the defaults count.
func Use(p Params) { params = p }

// Settings returns the parameters of tables.
func Settings() Params { return params }

// An Environment is what tables must know of the mail system around them.
type Environment struct {
	// Programs is the directory of the programs that do the work of some
	// types, and Owner the account that they run as when this process is
	// root and serves others; empty: the account of this process.
	Programs, Owner string
	// Parameters returns the values in main.cf of all parameters whose names
	// begin with a prefix, by the rest of their names.
	Parameters func(prefix string) map[string]string
	// Redirect returns the type that a table is to be opened as instead of its
	// own, or nothing; nil: no table is redirected.
	Redirect func(kind, name string) string
	// Reindex makes the file of a table that was redirected and has none; nil:
	// nobody does.
	Reindex func(kind, name string) error
}

var environment = Environment{Programs: "/usr/libexec/postfix"}

// Surround sets the environment of all tables. A program calls it before it
// opens any.
func Surround(e Environment) { environment = e }

// Surroundings returns the environment.
func Surroundings() Environment { return environment }

// redirected returns the type that a table is opened as.
func redirected(kind, name string) string {
	if environment.Redirect != nil {
		if other := environment.Redirect(kind, name); other != "" {
			return other
		}
	}
	return kind
}

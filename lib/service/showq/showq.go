// Package showq is the listing of the mail queue that showq(8) sends.
package showq

// Protocol is what the server announces. The client sends nothing.
const Protocol = "mail_queue_list_protocol"

// A Message begins a list; its recipients follow in the same list, and an
// empty list ends the listing. Addresses are in external form.
type Message struct {
	QueueName    string `attr:"queue_name"`
	QueueID      string `attr:"queue_id"`
	Time         int64  `attr:"time"`
	Size         int64  `attr:"size"`
	ForcedExpire bool   `attr:"forced_expire"`
	Sender       string `attr:"sender"`
}

// A Recipient has a reason when its delivery was deferred.
type Recipient struct {
	Address string `attr:"recipient"`
	Reason  string `attr:"reason"`
}

// Params name the service.
type Params struct {
	// The name of the service that lists the mail queue.
	ShowqServiceName string `param:"showq_service_name" default:"showq"`
}

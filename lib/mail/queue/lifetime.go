package queue

import "time"

// Lifetime says how long mail may wait.
type Lifetime struct {
	// A message that is older than this when its delivery fails goes back to
	// the sender. Specify 0 to try only once. Warnings about delay say when
	// that will be.
	MaximalQueueLifetime time.Duration `param:"maximal_queue_lifetime" default:"5d" min:"0" max:"100d"`

	// The same for messages from the null sender, such as notices about mail
	// that could not be delivered.
	BounceQueueLifetime time.Duration `param:"bounce_queue_lifetime" default:"5d" min:"0" max:"100d"`
}

// Warning says when senders hear that their mail waits.
type Warning struct {
	// After this time the sender of mail that is still in the queue gets a
	// warning. 0: never.
	DelayWarningTime time.Duration `param:"delay_warning_time" default:"0h" min:"0"`
}

package main

import (
	"time"

	"postrider/lib/base/msg"
	"postrider/lib/daemon/agent"
	"postrider/lib/daemon/server"
	"postrider/lib/mail/address"
	"postrider/lib/mail/param"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/verp"
	"postrider/lib/service/deliver"
	"postrider/lib/service/rewrite"
	"postrider/qmgr/sched"
)

// conf holds the main.cf parameters of qmgr(8), in the order of its manual.
var conf struct {
	server.Params
	agent.Report
	Rewrite rewrite.Params
	Address address.Params
	Verp    verp.Params

	// COMPATIBILITY CONTROLS

	// The next hop for mail that goes to a content filter of which only the
	// transport is given. When this is empty too, the domain of the
	// recipient is the next hop.
	DefaultFilterNexthop string `param:"default_filter_nexthop" default:""`

	// When not 0, messages that are done with go to the queue "saved" instead of being
	// removed. Somebody has to empty it. This is for looking for mistakes.
	DontRemove int `param:"dont_remove" default:"0"`

	// ACTIVE QUEUE CONTROLS

	// The time between warnings that mail for one destination fills the
	// active queue. Specify 0 to turn them off.
	ClogWarnTime time.Duration `param:"qmgr_clog_warn_time" default:"300s" min:"0"`

	// The most messages in the active queue. This bounds the memory of the
	// queue manager; more mail waits in the incoming and deferred queues.
	MessageActiveLimit int `param:"qmgr_message_active_limit" default:"20000" min:"1"`

	// The most recipients in memory that are read when a message becomes
	// active, and the most unreachable destinations that are remembered.
	// The rest of a message is read in portions, as the limits of its
	// transports allow.
	MessageRecipientLimit int `param:"qmgr_message_recipient_limit" default:"20000" min:"1"`

	// How many recipients any active message may have in memory, however
	// many there are of other messages.
	MessageRecipientMinimum int `param:"qmgr_message_recipient_minimum" default:"10" min:"1"`

	// The default for the most recipients in memory that are for one
	// transport.
	DefaultRecipientLimit int `param:"default_recipient_limit" default:"20000" min:"0"`

	// The default for the recipients in memory that a transport may have
	// besides, for messages that pass others in its queue.
	DefaultExtraRecipientLimit int `param:"default_extra_recipient_limit" default:"1000" min:"0"`

	// The default for how many recipients are read at least when a message
	// has too many to have all of them in memory.
	DefaultRecipientRefillLimit int `param:"default_recipient_refill_limit" default:"100" min:"1"`

	// The default for the time after which fewer recipients than
	// $default_recipient_refill_limit are read too.
	DefaultRecipientRefillDelay time.Duration `param:"default_recipient_refill_delay" default:"5s" min:"1s"`

	// DELIVERY CONCURRENCY CONTROLS

	// The number of parallel deliveries to a destination that no mail was
	// sent to for a while. It grows as deliveries succeed. With a recipient
	// limit of one a destination is a recipient, else it is a next hop.
	//
	// With 1, one message with a problem may hold up all mail for a site.
	InitialDestinationConcurrency int `param:"initial_destination_concurrency" default:"5" min:"1"`

	// The default for the most parallel deliveries to the same destination.
	// Specify 0 for no limit.
	DefaultDestinationConcurrencyLimit int `param:"default_destination_concurrency_limit" default:"20" min:"0"`

	// The default for the number of windowfuls of failed deliveries (a
	// windowful is as many as may be made in parallel) that make a
	// destination count as unreachable, so that its mail waits. Any delivery
	// that does not fail with a connection problem starts the count again.
	// Specify 0 to turn this off.
	DefaultDestinationConcurrencyFailedCohortLimit int `param:"default_destination_concurrency_failed_cohort_limit" default:"1" min:"0"`

	// The default for how much one delivery that failed with a connection
	// problem counts against the number of parallel deliveries: a number
	// from 0 to 1, or such a number divided by another, by concurrency, or
	// by sqrt_concurrency.
	DefaultDestinationConcurrencyNegativeFeedback string `param:"default_destination_concurrency_negative_feedback" default:"1"`

	// The default for how much one delivery that did not fail with a
	// connection problem counts for the number of parallel deliveries. The
	// forms are those of $default_destination_concurrency_negative_feedback.
	DefaultDestinationConcurrencyPositiveFeedback string `param:"default_destination_concurrency_positive_feedback" default:"1"`

	// Log how the number of parallel deliveries changes.
	DestinationConcurrencyFeedbackDebug bool `param:"destination_concurrency_feedback_debug" default:"no"`

	// RECIPIENT SCHEDULING CONTROLS

	// The default for the most recipients of a message in one delivery. With
	// 1, all limits for a destination become limits for a recipient.
	DefaultDestinationRecipientLimit int `param:"default_destination_recipient_limit" default:"50" min:"0"`

	// MESSAGE SCHEDULING CONTROLS

	// The default for how many deliveries of a message with many recipients
	// earn one delivery slot, which a message with few recipients may use to
	// pass it. Specify 0 to deliver strictly one message after the other.
	DefaultDeliverySlotCost int `param:"default_delivery_slot_cost" default:"5" min:"0"`

	// The default for how many delivery slots a message must be able to
	// earn, so that others are considered for passing it at all.
	DefaultMinimumDeliverySlots int `param:"default_minimum_delivery_slots" default:"3" min:"0"`

	// The default for how many percent of the slots that a message needs to
	// pass another may be earned later.
	DefaultDeliverySlotDiscount int `param:"default_delivery_slot_discount" default:"50" min:"0" max:"100"`

	// The default for how many more slots may be earned later.
	DefaultDeliverySlotLoan int `param:"default_delivery_slot_loan" default:"3" min:"0"`

	// OTHER RESOURCE AND RATE CONTROLS

	// The least time between attempts to deliver a message, and the time
	// that an unreachable destination is left alone.
	MinimalBackoffTime time.Duration `param:"minimal_backoff_time" default:"300s" min:"1s"`

	// The most time between attempts to deliver a message. In between, a
	// message waits as long as it is old.
	MaximalBackoffTime time.Duration `param:"maximal_backoff_time" default:"4000s" min:"1s"`

	queue.Lifetime

	// The time between looks into the deferred queue.
	QueueRunDelay time.Duration `param:"queue_run_delay" default:"300s" min:"1s"`

	// How long a delivery service that does not work is left alone.
	TransportRetryTime time.Duration `param:"transport_retry_time" default:"60s" min:"1s"`

	// The default for the pause between deliveries to the same destination.
	// With a pause there is only one delivery to it at a time; set
	// <transport>_destination_concurrency_failed_cohort_limit to 10 or more,
	// or one failure makes all its mail wait.
	DefaultDestinationRateDelay time.Duration `param:"default_destination_rate_delay" default:"0s" min:"0"`

	// The default for the pause between deliveries of a transport, whatever
	// the destination.
	DefaultTransportRateDelay time.Duration `param:"default_transport_rate_delay" default:"0s" min:"0"`

	// SAFETY CONTROLS

	// How long the queue manager may work on one thing before it is taken
	// for stuck and ends itself.
	DaemonTimeout time.Duration `param:"qmgr_daemon_timeout" default:"1000s" min:"10s"`

	// The time limit for sending or receiving over a connection to another
	// daemon.
	IPCTimeout time.Duration `param:"qmgr_ipc_timeout" default:"60s" min:"1s"`

	// The most address verification requests in the active queue. More are
	// answered with "try again later".
	AddressVerifyPendingRequestLimit int `param:"address_verify_pending_request_limit" default:"5000" min:"1"`

	// MISCELLANEOUS CONTROLS

	// The names of transports whose mail waits until somebody says
	// "sendmail -q" or the like, for sites that dial up.
	DeferTransports string `param:"defer_transports" default:""`

	deliver.ErrorService

	// After a notice that mail is delayed, tell the sender when it was
	// delivered after all.
	ConfirmDelayCleared bool `param:"confirm_delay_cleared" default:"no"`

	// Send one notice for all undeliverable recipients of a message with
	// variable envelope return paths (VERP), instead of one for each.
	DisableVerpBounces bool `param:"disable_verp_bounces" default:"no"`

	// The share of delivery resources that one message may use, in percent.
	// A leftover of the queue manager of the year 2000: it has no effect,
	// because messages with few recipients pass those with many.
	FudgeFactor int `param:"qmgr_fudge_factor" default:"100" min:"10" max:"100"`
}

// A transportParams are the parameters that each transport has of its own.
type transportParams struct {
	// TRANSPORT CONTROLS

	// The most recipients in memory that are for this transport.
	RecipientLimit int `param:"<transport>_recipient_limit" default:"$default_recipient_limit" min:"0"`

	// More recipients in memory, for messages that pass others.
	ExtraRecipientLimit int `param:"<transport>_extra_recipient_limit" default:"$default_extra_recipient_limit" min:"0"`

	// How many recipients are read at least when a message has too many to
	// have all of them in memory.
	RecipientRefillLimit int `param:"<transport>_recipient_refill_limit" default:"$default_recipient_refill_limit" min:"1"`

	// The time after which fewer recipients are read too.
	RecipientRefillDelay time.Duration `param:"<transport>_recipient_refill_delay" default:"$default_recipient_refill_delay" min:"1s"`

	// The number of parallel deliveries to a new destination.
	InitialDestinationConcurrency int `param:"<transport>_initial_destination_concurrency" default:"$initial_destination_concurrency" min:"1"`

	// The most parallel deliveries to the same destination.
	DestinationConcurrencyLimit int `param:"<transport>_destination_concurrency_limit" default:"$default_destination_concurrency_limit" default.local:"2" min:"0"`

	// The number of windowfuls of failures that make a destination
	// unreachable.
	DestinationConcurrencyFailedCohortLimit int `param:"<transport>_destination_concurrency_failed_cohort_limit" default:"$default_destination_concurrency_failed_cohort_limit" min:"0"`

	// How much a failure counts against the number of parallel deliveries.
	DestinationConcurrencyNegativeFeedback string `param:"<transport>_destination_concurrency_negative_feedback" default:"$default_destination_concurrency_negative_feedback"`

	// How much a success counts for the number of parallel deliveries.
	DestinationConcurrencyPositiveFeedback string `param:"<transport>_destination_concurrency_positive_feedback" default:"$default_destination_concurrency_positive_feedback"`

	// The most recipients of a message in one delivery.
	DestinationRecipientLimit int `param:"<transport>_destination_recipient_limit" default:"$default_destination_recipient_limit" default.local:"1" min:"0"`

	// How many deliveries of a message earn one slot for others.
	DeliverySlotCost int `param:"<transport>_delivery_slot_cost" default:"$default_delivery_slot_cost" min:"0"`

	// How many slots a message must be able to earn to be passed at all.
	MinimumDeliverySlots int `param:"<transport>_minimum_delivery_slots" default:"$default_minimum_delivery_slots" min:"0"`

	// How many percent of the slots may be earned later.
	DeliverySlotDiscount int `param:"<transport>_delivery_slot_discount" default:"$default_delivery_slot_discount" min:"0" max:"100"`

	// How many more slots may be earned later.
	DeliverySlotLoan int `param:"<transport>_delivery_slot_loan" default:"$default_delivery_slot_loan" min:"0"`

	// The pause between deliveries to the same destination.
	DestinationRateDelay time.Duration `param:"<transport>_destination_rate_delay" default:"$default_destination_rate_delay" min:"0"`

	// The pause between deliveries of the transport.
	TransportRateDelay time.Duration `param:"<transport>_transport_rate_delay" default:"$default_transport_rate_delay" min:"0"`
}

// pendingDeliveries is how many requests of a transport may wait for an agent.
const pendingDeliveries = 5

// limits reads the parameters of one transport. A mistake in them ends the
// program, at its start for all transports in master.cf: mail is safe in the
// queue.
func limits(settings *param.Settings, transport string) sched.Limits {
	var p transportParams
	if err := settings.LoadTransport(&p, transport); err != nil {
		msg.Fatal("%v", err)
	}
	return sched.Limits{
		Concurrency:       p.DestinationConcurrencyLimit,
		Initial:           p.InitialDestinationConcurrency,
		Positive:          feedback(transport, "positive", p.DestinationConcurrencyPositiveFeedback),
		Negative:          feedback(transport, "negative", p.DestinationConcurrencyNegativeFeedback),
		FailedCohorts:     float64(p.DestinationConcurrencyFailedCohortLimit),
		DestinationDelay:  p.DestinationRateDelay,
		TransportDelay:    p.TransportRateDelay,
		EntryRecipients:   p.DestinationRecipientLimit,
		Recipients:        p.RecipientLimit,
		ExtraRecipients:   p.ExtraRecipientLimit,
		RefillLimit:       p.RecipientRefillLimit,
		RefillDelay:       p.RecipientRefillDelay,
		SlotCost:          p.DeliverySlotCost,
		SlotLoan:          p.DeliverySlotLoan,
		SlotDiscount:      p.DeliverySlotDiscount,
		MinimumSlots:      p.MinimumDeliverySlots,
		PendingDeliveries: pendingDeliveries,
	}
}

func feedback(transport, kind, text string) sched.Feedback {
	f, err := sched.ParseFeedback(text)
	if err != nil {
		msg.Warn("%s_destination_concurrency_%s_feedback: ignoring malformed or unreasonable %v", transport, kind, err)
	}
	return f
}

package main

import (
	"fmt"
	"sync"
	"time"

	"postrider/lib/mail/address"
	"postrider/lib/mail/date"
	"postrider/lib/mail/record"
	"postrider/lib/service/cleanup"
	"postrider/lib/service/deliver"
	"postrider/lib/service/rewrite"
)

// posting limits how many probes are handed to cleanup(8) at the same time.
var posting = make(chan struct{}, 20)

// sendProbe puts a message without content into the queue, whose delivery ends
// with an update.
func sendProbe(recipient string) error {
	posting <- struct{}{}
	defer func() { <-posting }()
	w, err := cleanup.Open(conf.Cleanup.Path(), conf.Detect.Flags("verify", cleanup.MaskInternal), conf.IPCTimeout)
	if err != nil {
		return err
	}
	id, err := w.ID()
	if err != nil {
		w.Abort()
		return err
	}
	now := time.Now()
	w.Time(now)
	w.Attribute("log_message_origin", "local")
	w.Attribute("trace_flags", fmt.Sprint(deliver.FlagProbe))
	w.Record(record.From, probeSender(now))
	w.Record(record.Recipient, recipient)
	w.Record(record.Message, "")
	w.Line(fmt.Sprintf("Received: by %s (%s)\n\tid %s; %s\nDate: %[4]s", conf.MyHostname, conf.MailName, id, date.Header(now)), 0)
	w.Record(record.Extracted, "")
	w.Record(record.End, "")
	status, reason, err := w.Finish()
	switch {
	case err != nil:
		return err
	case status != 0 && reason != "":
		return fmt.Errorf("%s", reason)
	case status != 0:
		return fmt.Errorf("%s", status.Text())
	}
	return nil
}

// rewriter asks trivial-rewrite(8), for one goroutine at a time.
var rewriter struct {
	sync.Mutex
	*rewrite.Client
}

// probeSender is the sender of probes, with its domain.
func probeSender(now time.Time) string {
	sender := conf.Sender(now)
	if sender == "" {
		return ""
	}
	rewriter.Lock()
	defer rewriter.Unlock()
	if rewriter.Client == nil {
		rewriter.Client = rewrite.New(conf.Rewrite, conf.IPCTimeout, conf.IPCIdle, conf.IPCTTL)
	}
	return address.Unquote(rewriter.Rewrite(rewrite.Local, address.Quote(sender)))
}

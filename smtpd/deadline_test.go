package main

import (
	"errors"
	"syscall"
	"testing"
	"time"

	"postrider/lib/base/stream"
)

// A client that sends one byte now and then keeps within the limit of each
// read, but not within that of the request. S4.4.6.
func TestDeadline(t *testing.T) {
	conf = params{Timeout: 300 * time.Millisecond, PerRequestDeadline: true, MinDataRate: 100000}
	conf.LineLengthLimit = 2048
	fds, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &session{service: &service{bare: bareNormalize}, s: stream.New(stream.FD(fds[0])), alone: true}
	stop := make(chan struct{})
	go func() {
		defer syscall.Close(fds[1])
		for tick := time.NewTicker(50 * time.Millisecond); ; {
			select {
			case <-stop:
				return
			case <-tick.C:
				syscall.Write(fds[1], []byte("x\r\n"))
			}
		}
	}()
	defer close(stop)
	s.s.SetTimeout(conf.Timeout)
	start := time.Now()
	err = s.receive(&content{queue: &recorder{}, line: 2048})
	if !errors.Is(err, stream.ErrTimeout) {
		t.Errorf("got %v, want a time-out", err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %v", took)
	}
}

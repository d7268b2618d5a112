package main

import "time"

type noTimeout struct{}

func (noTimeout) SetTimeout(time.Duration) error { return nil }

// null is a client that reads everything at once.
type null struct{}

func (null) Read([]byte) (int, error)    { return 0, nil }
func (null) Write(p []byte) (int, error) { return len(p), nil }
func (null) Close() error                { return nil }

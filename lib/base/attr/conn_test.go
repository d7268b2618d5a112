package attr

import "time"

type stubConn struct{ *loop }

func (stubConn) Close() error                   { return nil }
func (stubConn) SetTimeout(time.Duration) error { return nil }

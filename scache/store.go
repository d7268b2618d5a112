package main

import (
	"slices"
	"sync"
	"syscall"
	"time"

	"postrider/lib/base/msg"
)

// mostConnections is how many connections are kept; there are fewer open files than
// anybody would like.
const mostConnections = 1000

// A connection waits for its next user.
type connection struct {
	fd       int
	endpoint string
	property string
	timer    *time.Timer
}

// A binding says that an endpoint serves a destination.
type binding struct {
	endpoint string
	property string
	until    time.Time
}

// A store has the connections by their endpoints, the one that came last at the
// end, and the bindings by their destinations.
type store struct {
	mu           sync.Mutex
	now          func() time.Time
	endpoints    map[string][]*connection
	destinations map[string][]binding
	count        int
	statistics
}

// statistics are for the log.
type statistics struct {
	since                             time.Time
	destinationHits, destinationTries int
	endpointHits, endpointTries       int
	mostDestinations, mostEndpoints   int
	mostOpen                          int
}

func newStore(now func() time.Time) *store {
	return &store{now: now, endpoints: map[string][]*connection{}, destinations: map[string][]binding{}, statistics: statistics{since: now()}}
}

// save keeps a connection for some time. False: there are too many.
func (s *store) save(ttl time.Duration, endpoint, property string, fd int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.count >= mostConnections {
		return false
	}
	c := &connection{fd: fd, endpoint: endpoint, property: property}
	c.timer = time.AfterFunc(ttl, func() { s.expire(c) })
	s.endpoints[endpoint] = append(s.endpoints[endpoint], c)
	s.count++
	s.mostOpen = max(s.mostOpen, s.count)
	s.mostEndpoints = max(s.mostEndpoints, len(s.endpoints))
	return true
}

// expire closes a connection that nobody has taken.
func (s *store) expire(c *connection) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.remove(c) {
		syscall.Close(c.fd)
	}
}

// remove takes a connection out of the store; false when it is not there any more.
func (s *store) remove(c *connection) bool {
	list := s.endpoints[c.endpoint]
	i := slices.Index(list, c)
	if i < 0 {
		return false
	}
	if list = slices.Delete(list, i, i+1); len(list) == 0 {
		delete(s.endpoints, c.endpoint)
	} else {
		s.endpoints[c.endpoint] = list
	}
	s.count--
	return true
}

// take finds the connection with an endpoint that was used last; nil when there
// is none.
func (s *store) take(endpoint string) *connection {
	list := s.endpoints[endpoint]
	if len(list) == 0 {
		return nil
	}
	c := list[len(list)-1]
	c.timer.Stop()
	s.remove(c)
	return c
}

// find takes a connection with an endpoint.
func (s *store) find(endpoint string) *connection {
	s.mu.Lock()
	defer s.mu.Unlock()
	c := s.take(endpoint)
	s.endpointTries++
	if c != nil {
		s.endpointHits++
	}
	return c
}

// bind notes for some time that an endpoint serves a destination.
func (s *store) bind(ttl time.Duration, destination, property, endpoint string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.sweep()
	list := s.destinations[destination]
	list = slices.DeleteFunc(list, func(b binding) bool { return b.endpoint == endpoint && b.property == property })
	s.destinations[destination] = append(list, binding{endpoint, property, s.now().Add(ttl)})
	s.mostDestinations = max(s.mostDestinations, len(s.destinations))
}

// sweep forgets all bindings that are too old, now and then.
func (s *store) sweep() {
	if len(s.destinations) < mostConnections {
		return
	}
	for name := range s.destinations {
		s.current(name)
	}
}

// current forgets the bindings of a destination that are too old.
func (s *store) current(destination string) []binding {
	now := s.now()
	list := slices.DeleteFunc(s.destinations[destination], func(b binding) bool { return !now.Before(b.until) })
	if len(list) == 0 {
		delete(s.destinations, destination)
		return nil
	}
	s.destinations[destination] = list
	return list
}

// findDestination takes a connection with any endpoint of a destination.
func (s *store) findDestination(destination string) (*connection, string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.destinationTries++
	for _, b := range slices.Backward(s.current(destination)) {
		if c := s.take(b.endpoint); c != nil {
			s.destinationHits++
			return c, b.property
		}
	}
	return nil, ""
}

// logStatistics tells what happened since the last time.
func (s *store) logStatistics() {
	s.mu.Lock()
	defer s.mu.Unlock()
	st := s.statistics
	s.statistics = statistics{since: s.now(), mostOpen: s.count, mostEndpoints: len(s.endpoints)}
	if st.destinationTries+st.endpointTries+st.mostOpen == 0 {
		return
	}
	msg.Info("statistics: start interval %s", st.since.Format("Jan _2 15:04:05"))
	for _, row := range []struct {
		what        string
		hits, tries int
	}{{"domain", st.destinationHits, st.destinationTries}, {"address", st.endpointHits, st.endpointTries}} {
		if row.tries > 0 {
			msg.Info("statistics: %s lookup hits=%d miss=%d success=%d%%", row.what, row.hits, row.tries-row.hits, 100*row.hits/row.tries)
		}
	}
	msg.Info("statistics: max simultaneous domains=%d addresses=%d connection=%d", st.mostDestinations, st.mostEndpoints, st.mostOpen)
}

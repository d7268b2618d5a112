package main

import (
	"io"
	"math"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/poll"
	"postrider/lib/service/dnsblog"
)

// A score is what lists say about one address. Connections that the address has at
// the same time share it.
type score struct {
	address string
	users   int
	pending int // answers that have not come
	total   int
	goodTTL int // seconds; unlimited: nobody said
	badTTL  int

	blockedBy string // the list with the largest weight, as in replies
	weight    int    // of that list
	waiting   []*client
}

const unlimited = math.MaxInt

// score returns the score of an address, and begins to ask when there is none.
func (s *screen) score(address string) *score {
	sc := s.scores[address]
	if sc == nil {
		sc = &score{address: address, goodTTL: unlimited, badTTL: unlimited}
		s.scores[address] = sc
		for i := range s.sites {
			if s.ask(sc, i) {
				sc.pending++
			}
		}
	}
	sc.users++
	return sc
}

// release is for one who no longer needs a score.
func (s *screen) release(sc *score) {
	if sc.users--; sc.users == 0 {
		delete(s.scores, sc.address)
	}
}

// ttl says how long a score is good.
func (sc *score) ttl() time.Duration {
	seconds := sc.goodTTL
	if sc.total > 0 {
		seconds = sc.badTTL
	}
	if seconds == unlimited {
		return conf.DNSBLMinTTL
	}
	return min(max(time.Duration(seconds)*time.Second, conf.DNSBLMinTTL), conf.DNSBLMaxTTL)
}

// add counts an answer. What it says against the client is good for as long as the
// bad part of the score, and what it says for the client, for the other part.
func (sc *score) add(site *site, addresses []string, ttl int) {
	for _, r := range site.rules {
		listed := len(addresses) > 0 && r.filter.match(addresses)
		if listed {
			sc.total += r.weight
		}
		if listed && r.weight > sc.weight {
			sc.blockedBy, sc.weight = site.public, r.weight
		}
		switch {
		case ttl < 0: // nobody knows
		case listed == (r.weight > 0):
			sc.badTTL = min(sc.badTTL, ttl)
		default:
			sc.goodTTL = min(sc.goodTTL, ttl)
		}
	}
}

// answered notes the end of a question.
func (sc *score) answered() {
	if sc.pending--; sc.pending > 0 {
		return
	}
	list := sc.waiting
	sc.waiting = nil
	for _, c := range list {
		c.scored()
	}
}

// A question is on its way to dnsblog(8).
type question struct {
	*screen
	fd    int
	score *score
	site  int
	in    []byte
	timer timer
	tries int
}

const (
	retryDelay = 50 * time.Millisecond // when the queue of a service is full
	retries    = 40
)

// ask asks one list. False: that is not possible.
func (s *screen) ask(sc *score, site int) bool {
	q := &question{screen: s, score: sc, site: site, fd: -1}
	return q.begin()
}

// begin connects and sends the request, or tries again in a moment.
func (q *question) begin() bool {
	fd, err := dial(conf.DNSBlogService)
	if err == unix.EAGAIN && q.tries < retries {
		q.tries++
		q.after(&q.timer, retryDelay, func() {
			if !q.begin() {
				q.score.answered()
			}
		})
		return true
	}
	if err == nil {
		q.fd = fd
		err = q.send()
	}
	if err != nil {
		msg.Warn("connect to private/%s service: %v", conf.DNSBlogService, err)
		q.drop()
		return false
	}
	q.after(&q.timer, conf.DNSBLTimeout, q.expired)
	return true
}

func (q *question) send() error {
	request := attr.Encode(nil, dnsblog.Request{Domain: q.sites[q.site].domain, Address: q.score.address, Label: q.site})
	if _, err := poll.Write(q.fd, request); err != nil {
		return err
	}
	return q.watch(q.fd, q)
}

func (q *question) drop() {
	q.cancel(&q.timer)
	if q.fd >= 0 {
		q.close(q.fd)
		q.fd = -1
	}
}

func (q *question) expired() {
	msg.Warn("dnsblog reply timeout %ds for %s", int(conf.DNSBLTimeout/time.Second), q.sites[q.site].domain)
	q.drop()
	q.score.answered()
}

// ready reads the answer.
func (q *question) ready(e poll.Event) {
	for e.Readable {
		n, err := poll.Read(q.fd, q.buffer)
		if err == poll.ErrAgain {
			return
		}
		q.in = append(q.in, q.buffer[:n]...)
		list, _, bad := attr.Parse(q.in)
		if bad == attr.ErrShort && err == nil {
			continue
		}
		q.drop()
		var r dnsblog.Reply
		switch {
		case bad == nil:
			bad = list.Into(&r)
		case err == io.EOF:
			bad = err
		}
		if bad != nil {
			msg.Warn("%s service: %v", conf.DNSBlogService, bad)
		} else {
			q.score.add(q.sites[q.site], strings.Fields(r.Found), r.TTL)
		}
		q.score.answered()
		return
	}
}

// dial connects to a private service without waiting. EAGAIN: its queue is full.
func dial(service string) (int, error) {
	fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	if err := unix.Connect(fd, &unix.SockaddrUnix{Name: "private/" + service}); err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

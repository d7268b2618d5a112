package main

import (
	"bufio"
	"cmp"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"postrider/lib/mail/address"
	"postrider/lib/mail/queue"
	"postrider/lib/mail/record"
)

// A row counts the recipients of a domain by age of their messages.
type row struct {
	name       string
	total      int
	counts     []int
	subdomains map[string]bool // of a parent
}

// A table is what is shown.
type table struct {
	options
	now      time.Time
	limits   []time.Duration // ends of all buckets but the last
	rows     map[string]*row
	sum      row
	messages int
	in       *record.Reader
}

func newTable(o options, now time.Time) *table {
	t := &table{options: o, now: now, rows: map[string]*row{}, in: record.NewReader(nil)}
	for limit := o.first; len(t.limits) < o.buckets-1; {
		t.limits = append(t.limits, limit)
		if o.linear {
			limit += o.first
		} else {
			limit *= 2
		}
	}
	t.sum = row{name: "TOTAL", counts: make([]int, o.buckets)}
	return t
}

// file counts one message. What cannot be read, or is no message yet, is left
// out.
func (t *table) file(path string) {
	if !queue.ValidID(path[strings.LastIndexByte(path, '/')+1:]) {
		return
	}
	f, err := os.Open(path)
	if err != nil {
		return
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil || !queue.Ready(uint32(info.Mode().Perm())) {
		return
	}
	t.messages++
	t.in.Reset(f)
	arrival := info.ModTime()
	var sizes record.Sizes
	for {
		kind, data, err := t.in.Next()
		if err != nil {
			return
		}
		switch kind {
		case record.Size:
			sizes, _ = record.ParseSizes(data)
		case record.Time:
			seconds, _, _ := strings.Cut(strings.TrimSpace(string(data)), " ")
			if n, err := strconv.ParseInt(seconds, 10, 64); err == nil {
				arrival = time.Unix(n, 0)
			}
		case record.From:
			if t.senders {
				t.count(string(data), arrival)
				return
			}
		case record.Recipient:
			t.count(string(data), arrival)
		case record.Message:
			if sizes.DataOffset == 0 {
				return
			}
			t.in.SeekTo(sizes.DataOffset + sizes.Span)
		case record.End:
			return
		}
	}
}

// count adds an address to its domain, and to the parents of that.
func (t *table) count(addr string, arrival time.Time) {
	local, domain, ok := address.Split(addr)
	switch {
	case addr == "":
		domain = "MAILER-DAEMON"
	case !ok:
		domain = strings.ToLower(local)
	default:
		domain = strings.ToLower(domain)
	}
	bucket := t.bucket(t.now.Sub(arrival))
	t.sum.add(bucket)
	t.row(domain).add(bucket)
	if !t.parents || !ok || strings.HasPrefix(domain, "[") {
		return
	}
	for _, rest, found := strings.Cut(domain, "."); found && strings.Contains(rest, "."); _, rest, found = strings.Cut(rest, ".") {
		parent := t.row("." + rest)
		parent.add(bucket)
		if parent.subdomains == nil {
			parent.subdomains = map[string]bool{}
		}
		parent.subdomains[domain] = true
	}
}

func (t *table) bucket(age time.Duration) int {
	for i, limit := range t.limits {
		if age < limit {
			return i
		}
	}
	return len(t.limits)
}

func (t *table) row(name string) *row {
	r := t.rows[name]
	if r == nil {
		r = &row{name: name, counts: make([]int, t.buckets)}
		t.rows[name] = r
	}
	return r
}

func (r *row) add(bucket int) {
	r.total++
	r.counts[bucket]++
}

// sorted returns the rows to show.
func (t *table) sorted() []*row {
	var list []*row
	for _, r := range t.rows {
		if r.subdomains == nil || len(r.subdomains) >= t.subdomains {
			list = append(list, r)
		}
	}
	slices.SortFunc(list, func(a, b *row) int {
		return cmp.Or(cmp.Compare(b.total, a.total), cmp.Compare(len(a.name), len(b.name)), cmp.Compare(a.name, b.name))
	})
	return list
}

// print shows the table; top limits the number of domains.
func (t *table) print(out *bufio.Writer, top int, clear bool) {
	heads := []string{"T"}
	last := 0
	for _, limit := range t.limits {
		last = int(limit / time.Minute)
		heads = append(heads, strconv.Itoa(last))
	}
	heads = append(heads, strconv.Itoa(last)+"+")
	widths := make([]int, len(heads))
	room := t.width
	for i, head := range heads {
		largest := t.sum.total
		if i > 0 {
			largest = t.sum.counts[i-1]
		}
		widths[i] = 1 + max(2, len(head), len(strconv.Itoa(largest)))
		room -= widths[i]
	}
	const least = 18 // for a name
	room = max(room, least)
	if clear {
		fmt.Fprint(out, "\x1b[H\x1b[2J")
	}
	fmt.Fprintf(out, "%*s", room, "")
	for i, head := range heads {
		fmt.Fprintf(out, "%*s", widths[i], head)
	}
	fmt.Fprintln(out)
	rows := append([]*row{&t.sum}, t.sorted()...)
	if top > 0 && len(rows) > top+1 {
		rows = rows[:top+1]
	}
	for _, r := range rows {
		fmt.Fprintf(out, "%*s%*d", room, fit(r.name, room), widths[0], r.total)
		for i, n := range r.counts {
			fmt.Fprintf(out, "%*d", widths[i+1], n)
		}
		fmt.Fprintln(out)
	}
}

// fit takes the begin of a name away when it is too long.
func fit(name string, width int) string {
	name = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '?'
		}
		return r
	}, name)
	if len(name) <= width {
		return name
	}
	mark := "+"
	if name[0] == '.' {
		mark = ".+"
	}
	return mark + name[len(name)-width+len(mark):]
}

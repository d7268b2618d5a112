package main

import (
	"bufio"
	"fmt"
	"strconv"
	"time"

	"postrider/lib/base/jsonline"
)

// A peoplePrinter prints the listing that mailq(1) is known for. Scripts read
// it too: its columns are fixed.
type peoplePrinter struct {
	out   *bufio.Writer
	long  bool // room for long queue IDs
	count int
	bytes int64
	why   string // of the recipient before
}

// reasonWidth is the column where a reason ends.
const reasonWidth = 76

func (p *peoplePrinter) row(id, size, date, text string) {
	if p.long {
		fmt.Fprintf(p.out, "%-17s %8s %-19s %s\n", id, size, date, text)
	} else {
		fmt.Fprintf(p.out, "%-11s %7s %-20s %s\n", id, size, date, text)
	}
}

func (p *peoplePrinter) heading() {
	if p.long {
		p.row("----Queue ID-----", "--Size--", "---Arrival Time----", "--Sender/Recipient------")
	} else {
		p.row("-Queue ID-", "--Size--", "----Arrival Time----", "-Sender/Recipient-------")
	}
}

func (p *peoplePrinter) message(m message) {
	if p.count == 0 {
		p.heading()
	} else {
		p.out.WriteByte('\n')
	}
	p.count++
	p.bytes += m.size
	p.why = ""
	id := m.id
	switch m.queue {
	case "active":
		id += "*"
	case "hold":
		id += "!"
	}
	if m.expire {
		id += "#"
	}
	date := time.Unix(m.time, 0).Format("Mon Jan _2 15:04:05 2006")
	p.row(id, strconv.FormatInt(m.size, 10), date[:len("Mon Jan _2 15:04:05")], m.sender)
}

func (p *peoplePrinter) recipient(r recipient) {
	if r.reason != p.why {
		p.why = r.reason
		text := r.reason
		if text == "" {
			text = "reason unavailable"
		}
		fmt.Fprintf(p.out, "%*s(%s)\n", max(0, reasonWidth-len(text)), "", text)
	}
	p.row("", "", "", r.address)
}

func (p *peoplePrinter) endMessage() {}

func (p *peoplePrinter) end() {
	if p.count == 0 {
		fmt.Fprintln(p.out, "Mail queue is empty")
		return
	}
	plural := "s"
	if p.count == 1 {
		plural = ""
	}
	fmt.Fprintf(p.out, "\n-- %d Kbytes in %d Request%s.\n", p.bytes/1024, p.count, plural)
}

// A jsonPrinter prints an object for each message in a line of its own.
// RFC 8259.
type jsonPrinter struct {
	out   *bufio.Writer
	first bool // no recipient yet
}

func (p *jsonPrinter) message(m message) {
	fmt.Fprintf(p.out, `{"queue_name": %s, "queue_id": %s, "arrival_time": %d, "message_size": %d, "forced_expire": %t, "sender": %s, "recipients": [`,
		jsonline.Quote(m.queue), jsonline.Quote(m.id), m.time, m.size, m.expire, jsonline.Quote(m.sender))
	p.first = true
}

func (p *jsonPrinter) recipient(r recipient) {
	if !p.first {
		p.out.WriteString(", ")
	}
	p.first = false
	fmt.Fprintf(p.out, `{"address": %s`, jsonline.Quote(r.address))
	if r.original != "" && r.original != r.address {
		fmt.Fprintf(p.out, `, "orig_address": %s`, jsonline.Quote(r.original))
	}
	if r.reason != "" {
		name := "delay_reason"
		if r.class == "bounce" {
			name = "bounce_reason"
		}
		fmt.Fprintf(p.out, `, "%s": %s`, name, jsonline.Quote(r.reason))
	}
	p.out.WriteByte('}')
}

func (p *jsonPrinter) endMessage() { p.out.WriteString("]}\n") }

func (p *jsonPrinter) end() {}

package interop

import (
	"fmt"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"postrider/test/machine"
	"postrider/test/peer/milter"
)

// A milterCase is a session, or a message of a local user, with a filter that
// does something.
type milterCase struct {
	name     string
	settings map[string]string // of smtpd and cleanup
	filters  []milter.Options
	steps    []step
	local    []string // arguments of sendmail, instead of a session
	input    string
}

// milterCases reads testdata/milters.txt. A case is a name and settings, rules
// of the filter (after a line with ++ those of another), and what the client
// says: lines, each of which has a reply. A line that begins with + has none, and
// *1000 stands for as many lines of text.
func milterCases(t *testing.T) []milterCase {
	text, err := os.ReadFile("testdata/milters.txt")
	if err != nil {
		t.Fatal(err)
	}
	var cases []milterCase
	for block := range strings.SplitSeq(strings.TrimPrefix(string(text), "-- "), "\n-- ") {
		head, body, _ := strings.Cut(block, "\n")
		name, settings, _ := strings.Cut(head, ": ")
		c := milterCase{name: name, settings: map[string]string{}}
		for setting := range strings.SplitSeq(settings, "; ") {
			if name, value, ok := strings.Cut(setting, "="); ok {
				c.settings[name] = value
			}
		}
		rules, session, _ := strings.Cut("\n"+body+"\n", "\n\n")
		for one := range strings.SplitSeq(rules, "\n++\n") {
			c.filters = append(c.filters, milterOptions(one))
		}
		c.session(session)
		cases = append(cases, c)
	}
	return cases
}

func milterOptions(rules string) milter.Options {
	o := milter.Options{Rules: map[string]string{}, Symbols: map[uint32]string{}}
	for line := range strings.SplitSeq(strings.Trim(rules, "\n"), "\n") {
		name, value, ok := strings.Cut(line, "=")
		var n uint32
		if !ok {
			continue
		}
		switch word, arg, _ := strings.Cut(name, " "); word {
		case "steps":
			fmt.Sscan(value, &o.Protocol)
		case "actions":
			fmt.Sscan(value, &o.Actions)
		case "version":
			fmt.Sscan(value, &o.Version)
		case "symbols":
			fmt.Sscan(arg, &n)
			o.Symbols[n] = value
		default:
			o.Rules[name] = strings.ReplaceAll(value, "|", "\n")
		}
	}
	return o
}

// milterMessage is sent when a case does not say what.
const milterMessage = `EHLO client.example
MAIL FROM:<bob@example.com>
RCPT TO:<alice@example.com>
RCPT TO:<carol@example.com>
DATA
+From: bob@example.com
+To: alice@example.com
+X-First: one
+Subject:  first
+ continued
+X-First: two
+Message-ID: <a@b.example>
+
+Hello
+..
+last
.
QUIT`

func (c *milterCase) session(text string) {
	text = strings.Trim(text, "\n")
	if args, ok := strings.CutPrefix(text, "sendmail "); ok {
		args, c.input, _ = strings.Cut(args, "\n")
		c.local = strings.Fields(args)
		return
	}
	if text == "" {
		text = milterMessage
	}
	c.steps = []step{{read: -1}}
	for line := range strings.SplitSeq(text, "\n") {
		var times int
		if n, _ := fmt.Sscanf(line, "*%d", &times); n == 1 { // a long text
			c.steps = append(c.steps, step{send: strings.Repeat("a line of the body, again and again\r\n", times)})
			continue
		}
		if more, ok := strings.CutPrefix(line, "+"); ok {
			c.steps = append(c.steps, step{send: more + "\r\n"})
			continue
		}
		c.steps = append(c.steps, step{send: line + "\r\n"}, step{read: -1})
	}
}

// runMilters has all cases with one system, and returns what client, filters
// and log were told, and what is in the queue.
func runMilters(t *testing.T, m mix, cases []milterCase) (results []string) {
	t.Helper()
	b := newBed(t, m, deferAll, "delay_warning_time=0", "notify_classes=", "smtpd_error_sleep_time=0",
		"milter_default_action=tempfail", "milter_macro_v=V", "requiretls_enable=no", "non_smtpd_milters=inet:127.0.0.1:2999", "internal_mail_filter_classes=")
	local, err := milter.Start("tcp", "127.0.0.1:2999", milter.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer local.Close()
	entries, err := os.ReadFile("testdata/master.cf")
	if err != nil {
		t.Fatal(err)
	}
	defer os.WriteFile("/etc/postfix/master.cf", entries, 0o644)
	services := string(entries)
	if m.base == stock {
		services += "tlsmgr unix - - n 1000? 1 tlsmgr\n"
	}
	filters := make([][]*milter.Filter, len(cases))
	for i, c := range cases {
		var addresses []string
		for _, o := range c.filters {
			f, err := milter.Start("tcp", "127.0.0.1:0", o)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			filters[i] = append(filters[i], f)
			addresses = append(addresses, "inet:"+f.Addr)
		}
		services += milterServices(i, c, addresses)
	}
	if err := os.WriteFile("/etc/postfix/master.cf", []byte(services), 0o644); err != nil {
		t.Fatal(err)
	}
	b.start()
	defer b.stop()
	for i, c := range cases {
		if c.local != nil {
			local.Set(c.filters[0])
			filters[i] = []*milter.Filter{local}
		}
		results = append(results, b.milterCase(i, c, filters[i]))
	}
	return results
}

// milterServices are the lines of master.cf for a case.
func milterServices(i int, c milterCase, addresses []string) string {
	options := ""
	for name, value := range c.settings {
		for k, addr := range addresses {
			value = strings.ReplaceAll(value, fmt.Sprintf("FILTER%d", k), addr)
		}
		options += fmt.Sprintf("  -o { %s = %s }\n", name, value)
	}
	list := strings.Join(addresses, ", ")
	if _, set := c.settings["smtpd_milters"]; !set {
		options += fmt.Sprintf("  -o { smtpd_milters = %s }\n", list)
	}
	return fmt.Sprintf("127.0.0.1:%d inet n - n - - smtpd\n  -o cleanup_service_name=cleanup%d\n%s", 3000+i, i, options) +
		fmt.Sprintf("cleanup%d unix n - n - 0 cleanup\n%s  -o non_smtpd_milters=\n", i, options)
}

var milterLine = regexp.MustCompile(`(?m)^.* postfix/(?:cleanup|smtpd)\[.*$`)

func (b *bed) milterCase(i int, c milterCase, filters []*milter.Filter) string {
	before := len(b.log())
	var out strings.Builder
	sessions := filters[0].Sessions()
	if c.local != nil {
		machine.Run(c.input, "/mix/bin/sendmail", c.local...)
		wait(b.t, "the end of the conversation with the filter", func() bool {
			return strings.Contains(b.log()[before:], "/cleanup[") && filters[0].Sessions() > sessions
		})
		filters[0].Trace()
		wait(b.t, "local mail to settle", func() bool { // in a queue, itself or as a notice
			log := b.log()[before:]
			return len(queued("incoming", "active")) == 0 && (len(queued("deferred", "hold")) > 0 ||
				strings.Contains(log, "milter-discard: ") || strings.Contains(log, "message not accepted"))
		})
	} else {
		out.WriteString(dialogue{steps: c.steps}.run(fmt.Sprintf("127.0.0.1:%d", 3000+i)))
		wait(b.t, "the end of the session", func() bool {
			log := b.log()[before:]
			return strings.Contains(log, ": fatal: ") || strings.Count(log, "]: disconnect from ") == strings.Count(log, "]: connect from ")
		})
	}
	if c.local == nil {
		b.settle()
	}
	for k, f := range filters {
		fmt.Fprintf(&out, "filter %d:\n%s\n", k, strings.Join(f.Trace(), "\n"))
	}
	out.WriteString(strings.Join(milterLine.FindAllString(b.log()[before:], -1), "\n") + "\n")
	var files []string
	for _, path := range queued("deferred", "hold") {
		file, _ := machine.Run("", stock.command("postcat"), machine.Queue+"/"+path)
		_, file, _ = strings.Cut(file, "\n") // without its name
		files = append(files, path[:4]+"\n"+file)
	}
	// Their names are in no order.
	slices.SortFunc(files, func(a, b string) int { return strings.Compare(normal(a, nil), normal(b, nil)) })
	out.WriteString(strings.Join(files, ""))
	machine.Run("", stock.command("postsuper"), "-d", "ALL")
	empty(machine.Queue + "/maildrop")
	text := normal(out.String(), nil)
	text = milterPort.ReplaceAllString(clientPort.ReplaceAllString(text, "$1"), "$1 PORT ")
	text = strings.ReplaceAll(text, `=rfc822;"quoted user"@`, `=rfc822;quoted user@`) // stock's cleanup forgets that
	text = brokenEdit.ReplaceAllString(text, "$1$2")
	text = sizeFlags.ReplaceAllString(text, "$1 FLAGS")
	text = portMacro.ReplaceAllString(text, "$1=PORT")
	return strings.ReplaceAll(text, fmt.Sprintf("%d", 3000+i), "3000")
}

// What is wrong with a packet is told in other words.
var brokenEdit = regexp.MustCompile(`(warning: )(?:milter8_read_data: )?(milter \S+: ).*(?:null ter|packet too short).*`)

// Stock does not note what added recipients ask for.
var sizeFlags = regexp.MustCompile(`(message_size: +SIZE +\d+) +\d+ +SIZE`)

var portMacro = regexp.MustCompile(`({client_port})="\d{4,}"`)

var milterPort = regexp.MustCompile(`((?:CONNECT|client_port=|filter) \S+ [46]) \d+ `)

// TestMilters: filters hear the same from both systems, and what they ask for
// is done alike.
func TestMilters(t *testing.T) {
	cases := milterCases(t)
	want := runMilters(t, mix{base: stock}, cases)
	if os.Getenv("MILTER_SHOW") != "" {
		for i, c := range cases {
			t.Logf("%s\n%s", c.name, want[i])
		}
		return
	}
	got := runMilters(t, mix{base: ours}, cases)
	same := 0
	for i, c := range cases {
		if want[i] == got[i] {
			same++
			continue
		}
		_, list := compareLines(want[i], got[i])
		if len(list) == 0 {
			t.Errorf("%s: another order\nstock:\n%s\nours:\n%s", c.name, want[i], got[i])
			continue
		}
		t.Errorf("%s (- stock, + ours):\n%s", c.name, report(list))
	}
	t.Logf("%d of %d cases are the same", same, len(cases))
}

// TestMilterHandOver: our smtpd hands filters over to stock's cleanup, and takes
// them over from stock's smtpd.
func TestMilterHandOver(t *testing.T) {
	var cases []milterCase
	for _, c := range milterCases(t) {
		if rules := c.filters[0].Rules; c.local == nil && (rules["EOM"] != "" || len(rules) == 0) {
			cases = append(cases, c)
		}
	}
	want := runMilters(t, mix{base: ours}, cases)
	for _, m := range []mix{{base: ours, swapped: []string{"cleanup"}}, {base: stock, swapped: []string{"cleanup"}}} {
		got := runMilters(t, m, cases)
		same := 0
		for i, c := range cases {
			if want[i] == got[i] {
				same++
				continue
			}
			_, list := compareLines(want[i], got[i])
			t.Errorf("%s: %v (- all ours):\n%s", c.name, m, report(list))
		}
		t.Logf("%v: %d of %d cases are the same", m, same, len(cases))
	}
}

// TestMilterTLS: filters learn the same about TLS.
func TestMilterTLS(t *testing.T) {
	needStock(t)
	macros := "; milter_helo_macros={tls_version} {cipher} {cipher_bits} {cert_subject} {cert_issuer} _ j; milter_end_of_data_macros={tls_version} {auth_type}"
	milterDialogues(t,
		"-- with TLS: rsa; may"+macros+"\nEHLO c.test\nMAIL FROM:<a@x.test>\nSTARTTLS\n<tls>\nEHLO d.test\nMAIL FROM:<bob@example.com>\n"+
			"RCPT TO:<alice@example.com>\nDATA\n+ A: b\\r\\n\\r\\nx\\r\\n.\\r\\n\n=\nQUIT\n",
		"-- with a certificate: rsa; may; ask"+macros+"\nEHLO c.test\nSTARTTLS\n<tls cert>\nEHLO d.test\nQUIT\n",
		"-- with one of its own: rsa; may; ask"+macros+"\nSTARTTLS\n<tls self>\nHELO d.test\nQUIT\n",
		"-- TLS is a must: rsa; enc"+macros+"\nEHLO c.test\nMAIL FROM:<a@x.test>\nNONSENSE\nQUIT\n")
}

// TestMilterLogin: filters learn the same about logins.
func TestMilterLogin(t *testing.T) {
	startDovecot(t)
	macros := "; milter_rcpt_macros={auth_type} {auth_ssf} {rcpt_addr}; milter_end_of_data_macros={auth_authen} i {auth_type} {auth_author}"
	milterDialogues(t, "-- with a login: sasl"+macros+"\nEHLO c.test\n<auth PLAIN ann secret>\nMAIL FROM:<bob@example.com> AUTH=joe@x.test\n"+
		"RCPT TO:<alice@example.com>\nRCPT TO:<joe@relay.example>\nDATA\n+ A: b\\r\\n\\r\\nx\\r\\n.\\r\\n\n=\nQUIT\n",
		"-- with a wrong one: sasl"+macros+"\nEHLO c.test\n<auth PLAIN ann wrong>\nMAIL FROM:<bob@example.com>\nQUIT\n")
}

// milterDialogues has dialogues with a filter that listens.
func milterDialogues(t *testing.T, blocks ...string) {
	t.Helper()
	k := certificates(t)
	var cases []milterCase
	for _, block := range blocks {
		d := k.dialogue(block)
		cases = append(cases, milterCase{name: d.name, settings: d.settings, filters: []milter.Options{{}}, steps: d.steps})
	}
	library := regexp.MustCompile(`({cipher}="|with cipher )[^" ]+"? ?(?:{cipher_bits}="\d+"|.*)`)
	want, got := runMilters(t, mix{base: stock}, cases), runMilters(t, mix{base: ours}, cases)
	for i, c := range cases {
		w, g := library.ReplaceAllString(want[i], "$1"), library.ReplaceAllString(got[i], "$1")
		if _, list := compareLines(w, g); w != g {
			t.Errorf("%s (- stock, + ours):\n%s%s", c.name, report(list), exchanges(w, g))
		}
		if os.Getenv("MILTER_SHOW") != "" {
			t.Log(want[i])
		}
	}
}

package param

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// read writes text as main.cf and reads it.
func read(t testing.TB, text string) (*Settings, error) {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "main.cf"), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return Read(dir)
}

func mustRead(t testing.TB, text string) *Settings {
	t.Helper()
	s, err := read(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// name = value, $name, continuation lines. S4.1.
func TestRead(t *testing.T) {
	s := mustRead(t, `# comment
  # indented comment

a = 1
b=$a two
  three # four

# between
	five
empty =
  spaced  =  x = y  
last = end`)
	for name, want := range map[string]string{
		"a": "1", "b": "1 two  three # four	five", "empty": "spaced  =  x = y", "last": "end", "none": "",
	} {
		want = strings.Replace(want, "empty =", "", 1)
		if got := s.Value(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}
	if raw, set := s.Get("b"); !set || !strings.HasPrefix(raw, "$a two") {
		t.Errorf("Get(b) = %q, %v", raw, set)
	}
	if _, set := s.Get("soft_bounce"); set {
		t.Error("Get finds a parameter that is not set")
	}
}

// The later of two settings counts, and there is a warning.
func TestDuplicate(t *testing.T) {
	s := mustRead(t, "a = 1\nb = 2\na = 3\n")
	if got := s.Value("a"); got != "3" {
		t.Errorf("a = %q", got)
	}
	warnings := s.Warnings()
	if len(warnings) != 1 || !strings.HasSuffix(warnings[0], "main.cf, line 3: overriding earlier entry: a=1") {
		t.Errorf("warnings: %q", warnings)
	}
}

// A line that is neither setting nor continuation gets an error with file and
// line. S4.1.
func TestBadLines(t *testing.T) {
	tests := []struct{ text, want string }{
		{"a = b\nfoo\n", `main.cf, line 2: missing '=' after attribute name: "foo"`},
		{"a b = c\n", `line 1: missing '=' after attribute name: "a b = c"`},
		{"# x\n  foo = bar\n", "line 2: logical line must not start with whitespace"},
		{"= x\n", "line 1: missing attribute name"},
		{"a = \x00\n", "line 1: a NUL byte"},
		{"\x7fELF\x02\x01\n\n\nx\n", "line 4: missing '='"},
		{strings.Repeat("x", 1000), "..."},
	}
	for _, test := range tests {
		_, err := read(t, test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: error %v, want %q", test.text, err, test.want)
		}
	}
	_, err := read(t, strings.Repeat("bad\n", 1<<20))
	if err == nil || len(err.Error()) > 100*1000 {
		t.Error("a million bad lines give a report without end")
	}
}

// Files that are no configuration give an error, not a crash.
func TestHostileFiles(t *testing.T) {
	if s := mustRead(t, ""); s.Value("soft_bounce") != "no" {
		t.Error("an empty main.cf does not give defaults")
	}
	dir := t.TempDir()
	name := filepath.Join(dir, "main.cf")
	if _, err := Read(dir); !os.IsNotExist(err) {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(name, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(name, 100<<20); err != nil {
		t.Fatal(err)
	}
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "104857600 bytes") {
		t.Errorf("100 MB: %v", err)
	}
	os.Remove(name)
	os.Mkdir(name, 0o755)
	if _, err := Read(dir); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("folder: %v", err)
	}
}

func TestSelfReference(t *testing.T) {
	s := mustRead(t, "a = $b\nb = x${a?y}\nsoft_bounce = $a\n")
	if _, err := s.Evaluate("$a"); err == nil || !strings.Contains(err.Error(), "a -> b -> a") {
		t.Errorf("loop: %v", err)
	}
	var conf struct {
		SoftBounce bool `param:"soft_bounce" default:"no"`
	}
	err := s.Load(&conf)
	if err == nil || !strings.Contains(err.Error(), "main.cf, line 3: soft_bounce: ") {
		t.Errorf("Load: %v", err)
	}
}

type family struct {
	Shared string `param:"x_shared" default:"$x_name!"`
}

type everything struct {
	family
	unexported string
	Name       string        `param:"x_name" default:"joe" old:"x_nome x_nom"`
	Filter     Raw           `param:"x_filter" default:"$%$"`
	Count      int           `param:"x_count" default:"${stress?{1}:{20}}" min:"1" max:"100"`
	Size       int64         `param:"x_size" default:"5000000000"`
	On         bool          `param:"x_on" default:"no"`
	Delay      time.Duration `param:"x_delay" default:"0h"`
	Life       time.Duration `param:"x_life" default:"5d" max:"100d"`
	Stress     time.Duration `param:"x_stress" default:"${stress?{10}:{300}}s" min:"1s"`
}

func TestLoad(t *testing.T) {
	var conf everything
	s := mustRead(t, "x_delay = 4\nx_on = YES\nx_nom = jim\nx_life=3w\n")
	s.Override("stress", "yes")
	if err := s.Load(&conf); err != nil {
		t.Fatal(err)
	}
	want := everything{
		family: family{"!"}, Name: "jim", Filter: "$%$", Count: 1, Size: 5000000000, On: true,
		Delay: 4 * time.Hour, Life: 21 * 24 * time.Hour, Stress: 10 * time.Second,
	}
	if conf != want {
		t.Errorf("got  %+v\nwant %+v", conf, want)
	}
}

// A name of the past is accepted, with one warning that names the new one.
func TestOldNames(t *testing.T) {
	s := mustRead(t, "relayhost = x\nfallback_relay = y\n")
	if got := s.Value("smtp_fallback_relay"); got != "y" {
		t.Errorf("value %q", got)
	}
	warnings := s.OldNames()
	if len(warnings) != 1 || !strings.HasSuffix(warnings[0], "main.cf, line 2: fallback_relay is the old name of parameter smtp_fallback_relay; please use the new name") {
		t.Errorf("warnings: %q", warnings)
	}
}

// The fields of structs in the struct are parameters too.
func TestLoadNested(t *testing.T) {
	var conf struct {
		Part struct {
			On bool `param:"x_on" default:"no"`
		}
	}
	if err := mustRead(t, "x_on = yes").Load(&conf); err != nil || !conf.Part.On {
		t.Error(conf, err)
	}
}

// The new name rules when both are set.
func TestOldAndNewName(t *testing.T) {
	var conf everything
	s := mustRead(t, "x_name = new\nx_nome = old\n")
	if err := s.Load(&conf); err != nil || conf.Name != "new" || len(s.Warnings()) != 0 {
		t.Error(err, conf.Name, s.Warnings())
	}
}

// All bad values are reported at once, each with file and line.
func TestLoadErrors(t *testing.T) {
	s := mustRead(t, "x_count = 0\nx_size = 1k\nx_on = maybe\nx_delay = 4y\nx_life = 101\nx_name = ${\n"+
		"number = 0\nx_stress = $number\n")
	var conf everything
	err := s.Load(&conf)
	if err == nil {
		t.Fatal("no error")
	}
	for _, want := range []string{
		"main.cf, line 1: x_count = 0: the value is below the minimum, 1",
		"main.cf, line 2: x_size = 1k: bad numerical configuration",
		"main.cf, line 3: x_on = maybe: bad boolean configuration",
		"main.cf, line 4: x_delay = 4y: bad time",
		"main.cf, line 5: x_life = 101: the time is above the maximum, 100d",
		"main.cf, line 6: x_name: truncated macro reference",
		"main.cf, line 8: x_stress = 0 (from $number): the time is below",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in:\n%v", want, err)
		}
	}
	if errs, ok := err.(Errors); !ok || len(errs) != 8 { // x_shared refers to x_name
		t.Errorf("%T with %d errors", err, len(errs))
	}
}

func TestLoadPrefixed(t *testing.T) {
	var conf struct {
		Cert    string        `param:"smtp_tls_cert_file" default:""`
		Key     string        `param:"smtp_tls_key_file" default:"$smtp_tls_cert_file"`
		Connect time.Duration `param:"smtp_connect_timeout" default:"30s" default.lmtp:"0s"`
		Helo    time.Duration `param:"smtp_helo_timeout" default:"300s"`
		Never   bool          `param:"smtp_never_send_ehlo" default:"yes" param.lmtp:"-"`
		Other   string        `param:"myorigin" default:"$myhostname"`
	}
	s := mustRead(t, "lmtp_tls_cert_file = /cert\nsmtp_tls_cert_file = /wrong\nlmtp_lhlo_timeout = 7\n"+
		"smtp_never_send_ehlo = no\nmyhostname=h\n")
	if err := s.LoadPrefixed(&conf, "smtp_", "lmtp_"); err != nil {
		t.Fatal(err)
	}
	if conf.Cert != "/cert" || conf.Key != "/cert" || conf.Connect != 0 || conf.Helo != 7*time.Second ||
		!conf.Never || conf.Other != "h" {
		t.Errorf("%+v", conf)
	}
}

// S4.4.2: a limit for any transport.
func TestLoadTransport(t *testing.T) {
	type limits struct {
		Concurrency int `param:"<transport>_destination_concurrency_limit" default:"$default_destination_concurrency_limit" default.local:"2"`
	}
	s := mustRead(t, "default_destination_concurrency_limit = 7\nuucp_destination_concurrency_limit = 3\n")
	for transport, want := range map[string]int{"local": 2, "uucp": 3, "smtp": 7} {
		var conf limits
		if err := s.LoadTransport(&conf, transport); err != nil || conf.Concurrency != want {
			t.Errorf("%s: %d, %v", transport, conf.Concurrency, err)
		}
	}
}

func TestComputed(t *testing.T) {
	defer func(old func() (string, error)) { systemName = old }(systemName)
	systemName = func() (string, error) { return "mail", nil }
	if got := New("/etc/x").Value("myhostname"); got != "mail.localdomain" {
		t.Errorf("myhostname = %q", got)
	}
	s := mustRead(t, "mydomain = example.com\n")
	if got := s.Expand("$myhostname $mydomain"); got != "mail.example.com example.com" {
		t.Errorf("with mydomain: %q", got)
	}
	s = mustRead(t, "myhostname = a.b.example.com\n")
	if got := s.Value("mydomain"); got != "b.example.com" { // S4.2.5
		t.Errorf("mydomain = %q", got)
	}
	if got := mustRead(t, "myhostname = alone").Value("mydomain"); got != "localdomain" {
		t.Errorf("mydomain = %q", got)
	}
	if got := New("/etc/x").Value("config_directory"); got != "/etc/x" {
		t.Errorf("config_directory = %q", got)
	}
	systemName = func() (string, error) { return "a b", nil }
	var conf struct {
		Origin string `param:"myorigin" default:"$myhostname"`
	}
	if err := New("").Load(&conf); err == nil || !strings.Contains(err.Error(), "set myhostname") {
		t.Errorf("bad system name: %v", err)
	}
}

// S4.2.7: mynetworks_style.
func TestMyNetworks(t *testing.T) {
	for style, want := range map[string]string{"host": "127.0.0.1/32", "subnet": "127.0.0.0/8", "class": "127.0.0.0/8"} {
		s := mustRead(t, "inet_interfaces = 127.0.0.1\nmynetworks_style = "+style)
		if got := s.Value("mynetworks"); got != want {
			t.Errorf("%s: %q, want %q", style, got, want)
		}
	}
	s := mustRead(t, "mynetworks_style = all\n")
	var conf struct {
		MyNetworks string `param:"mynetworks" default:""`
	}
	if err := s.Load(&conf); err == nil || !strings.Contains(err.Error(), "host, subnet or class") {
		t.Errorf("bad style: %v", err)
	}
}

func TestDomainToASCII(t *testing.T) {
	s := mustRead(t, "mydomain = Bücher.Example.例え\n")
	if got := s.Expand("<${domain_to_ascii{$mydomain}}>"); got != "<xn--bcher-kva.Example.xn--r8jz45g>" {
		t.Errorf("got %q", got)
	}
}

func TestDefaultsExpand(t *testing.T) {
	s := New("/etc/postfix")
	for _, p := range Builtins() {
		if strings.HasSuffix(p.Name, "_filter") || p.Name == "default_rbl_reply" {
			continue // raw
		}
		if _, err := s.Evaluate(p.Default); err != nil {
			t.Errorf("%s: %v", p.Name, err)
		}
	}
}

func BenchmarkLoad(b *testing.B) {
	s := mustRead(b, "myhostname = a.example.com\nx_on = no\n")
	var conf [22]everything
	b.ReportAllocs()
	for b.Loop() {
		for i := range conf {
			if err := s.Load(&conf[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

// No text of main.cf makes the reader panic, and no value takes forever.
func FuzzRead(f *testing.F) {
	f.Add("a = $b\n b\n# c\nb=${a?{x}:{y}}\nx_count=7\n")
	f.Add("x_on = ${{$x_count} <level {3} ? {yes} : {no}}\nx_name=$(x_name)\n")
	f.Fuzz(func(t *testing.T, text string) {
		s := New("/etc/postfix")
		if err := s.parse("main.cf", strings.NewReader(text)); err != nil {
			return
		}
		for _, name := range s.Names() {
			s.Value(name)
		}
		var conf everything
		s.Load(&conf)
		s.LoadPrefixed(&conf, "x_", "y_")
	})
}

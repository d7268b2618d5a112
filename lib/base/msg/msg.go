// Package msg writes one-line messages to the log and to people.
package msg

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"syscall"
	"unicode/utf8"
)

// A Level says how bad a message is. Its name is printed before the text.
type Level int

// Levels and their syslog severities, as the log readers know them.
const (
	LevelInfo Level = iota
	LevelWarn
	LevelError
	LevelFatal
	LevelPanic
)

var levels = [...]struct {
	prefix   string
	severity int
}{
	LevelInfo:  {"", 6},
	LevelWarn:  {"warning: ", 4},
	LevelError: {"error: ", 3},
	LevelFatal: {"fatal: ", 2},
	LevelPanic: {"panic: ", 2},
}

// textLimit is the longest text of a log line, in bytes.
const textLimit = 2000

// Verbose counts the -v options of the program.
var Verbose int

// cleanup functions run before Fatal ends the process, last one first.
var atExit []func()

// AtExit registers what must be done before Fatal ends the process, such as
// removing an unfinished queue file.
func AtExit(f func()) { atExit = append(atExit, f) }

// Info logs an ordinary event.
func Info(format string, args ...any) { write(LevelInfo, format, args) }

// Warn logs trouble that somebody should look at.
func Warn(format string, args ...any) { write(LevelWarn, format, args) }

// Error logs trouble that stopped a request, not the program.
func Error(format string, args ...any) { write(LevelError, format, args) }

// Debug logs only when the program was started with -v.
func Debug(format string, args ...any) {
	if Verbose > 0 {
		write(LevelInfo, format, args)
	}
}

// Log logs a message of any level, and does nothing else: for programs that log
// on behalf of others.
func Log(level Level, format string, args ...any) { write(level, format, args) }

// FatalExit is the exit status of Fatal.
var FatalExit = 1

// Fatal logs why the program cannot go on and ends it with FatalExit.
func Fatal(format string, args ...any) { FatalStatus(FatalExit, format, args...) }

// FatalStatus is Fatal with an exit status of the caller's choice, such as
// the sysexits codes that callers of sendmail(1) expect.
func FatalStatus(status int, format string, args ...any) {
	write(LevelFatal, format, args)
	for i := len(atExit) - 1; i >= 0; i-- {
		atExit[i]()
	}
	os.Exit(status)
}

// Panic logs a broken invariant of the program itself and ends it.
func Panic(format string, args ...any) {
	write(LevelPanic, format, args)
	os.Exit(1)
}

// write writes one line, or one for each of several errors that are an argument.
func write(level Level, format string, args []any) {
	for i, arg := range args {
		list, ok := arg.(interface {
			error
			Unwrap() []error
		})
		if ok && strings.Contains(list.Error(), "\n") {
			for _, err := range list.Unwrap() {
				one := slices.Clone(args)
				one[i] = err
				write(level, format, one)
			}
			return
		}
	}
	text := Printable(Text(format, args...))
	if len(text) > textLimit {
		text = text[:textLimit]
	}
	for _, out := range outputs {
		out(level, text)
	}
}

// Text is the text of a message as it is logged, for those who print it elsewhere.
func Text(format string, args ...any) string {
	if len(args) == 0 {
		return format
	}
	return systemText(fmt.Sprintf(format, args...), args)
}

// systemText gives the reasons of the operating system in text the form that log
// readers and people know: "No such file or directory".
func systemText(text string, args []any) string {
	for _, arg := range args {
		var number syscall.Errno
		if err, ok := arg.(error); ok && errors.As(err, &number) {
			reason := number.Error()
			text = strings.ReplaceAll(text, reason, strings.ToUpper(reason[:1])+reason[1:])
		}
	}
	return text
}

// Printable replaces what a terminal or a log reader could trip over by
// question marks: control characters and broken UTF-8.
func Printable(s string) string {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c >= 0x7f {
			return mask(s)
		}
	}
	return s
}

func mask(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		if r < ' ' || r == 0x7f || r == utf8.RuneError && n <= 1 || r >= 0x80 && r < 0xa0 {
			b.WriteByte('?')
		} else {
			b.WriteString(s[i : i+n])
		}
		i += n
	}
	return b.String()
}

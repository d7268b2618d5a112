package main

import (
	"bufio"
	"os"
	"strings"
	"syscall"
	"time"

	"golang.org/x/net/idna"

	"postrider/lib/base/file"
	"postrider/lib/base/msg"
	"postrider/lib/mail/queue"
	"postrider/lib/service/flush"
	"postrider/lib/service/ipc"
)

// canonical is the ASCII form of a destination, in lower case, without the
// brackets of an address literal.
func canonical(site string) string {
	if strings.HasPrefix(site, "[") && strings.HasSuffix(site, "]") {
		site = site[1 : len(site)-1]
	}
	if a, err := idna.Lookup.ToASCII(site); err == nil {
		site = a
	}
	return strings.ToLower(site)
}

// fileName is the name of the log of a destination.
func fileName(domain string) string {
	name := []byte(domain)
	for i, c := range name {
		if !(c >= '0' && c <= '9' || c >= 'a' && c <= 'z') {
			name[i] = '_'
		}
	}
	return string(name)
}

// open opens and locks a log.
func open(name string, flags int) (*os.File, error) {
	return queue.OpenLog(queue.Flush, name, flags, func(f *os.File) error {
		return file.Lock(f, file.Flock, file.Exclusive)
	})
}

// add appends a message to the log of a destination.
func add(name, id string) flush.Status {
	f, err := open(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE)
	if err != nil {
		msg.Warn("%v", err)
		return flush.Fail
	}
	defer f.Close()
	if _, err := f.WriteString(id + "\n"); err != nil {
		msg.Warn("%v", err)
		return flush.Fail
	}
	return flush.OK
}

// sendSite makes the queue manager try all mail for a destination, even when it
// takes the destination for dead.
func sendSite(name string) flush.Status {
	return sendLog(name, ipc.Unthrottle)
}

// sendLog moves the messages of a log to the incoming queue, where the queue
// manager looks next, and empties the log. A message that is just being tried
// stays in the log: it was put there before it is deferred, and may be so in
// the next moment.
func sendLog(name, first string) flush.Status {
	f, err := open(name, os.O_RDWR)
	if os.IsNotExist(err) {
		return flush.OK
	}
	if err != nil {
		msg.Warn("%v", err)
		return flush.Fail
	}
	defer f.Close()
	if first != "" {
		wake(first)
	}
	moved, kept := 0, ""
	seen := map[string]bool{}
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		id := lines.Text()
		if !queue.ValidID(id) {
			msg.Warn("bad queue id %.100q in flush log %s", id, name)
			continue
		}
		switch {
		case seen[id]:
		case release(id):
			moved++
		case active(id):
			kept += id + "\n"
		case release(id): // deferred since we looked
			moved++
		}
		seen[id] = true
	}
	if err := lines.Err(); err != nil {
		msg.Warn("read flush log %s: %v", name, err)
	}
	if moved > 0 {
		if err := replace(f, kept); err != nil {
			msg.Warn("shorten flush log %s: %v", name, err)
		}
		wake(ipc.ScanIncoming)
	}
	return flush.OK
}

// replace makes text all that is in a log.
func replace(f *os.File, text string) error {
	if _, err := f.WriteAt([]byte(text), 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(text)))
}

// active reports whether the queue manager works on a message.
func active(id string) bool {
	_, err := queue.Stat(queue.Active, id)
	return err == nil
}

// release makes a message due and moves it to the incoming queue. A message
// that is neither there nor deferred is being delivered, or gone.
func release(id string) bool {
	now := time.Now()
	if queue.SetTime(queue.Deferred, id, now) == nil {
		err := queue.Rename(id, queue.Deferred, queue.Incoming)
		if err == nil {
			return true
		}
		if !os.IsNotExist(err) {
			msg.Warn("%v", err)
		}
	}
	return queue.SetTime(queue.Incoming, id, now) == nil
}

// sendFile is release for one message that somebody asked for. Its mode tells
// the queue manager to try destinations that it takes for dead. A message that
// is not there any more needs nothing, which is no failure.
func sendFile(id string) flush.Status {
	for _, name := range []queue.Name{queue.Deferred, queue.Incoming} {
		st, err := queue.Stat(name, id)
		if err != nil {
			continue
		}
		if err := os.Chmod(queue.Path(name, id), os.FileMode(st.Mode&0o777|queue.ModeFlush)); err != nil {
			continue
		}
		if release(id) {
			wake(ipc.ScanIncoming)
			break
		}
	}
	return flush.OK
}

// refresh tries the mail of all destinations that nobody asked for since age,
// and removes logs that are of no use.
func refresh(age time.Duration) {
	now := time.Now()
	for name, err := range queue.Flush.Scan() {
		if err != nil {
			msg.Warn("%v", err)
			break
		}
		var st syscall.Stat_t
		path := queue.Path(queue.Flush, name)
		if syscall.Lstat(path, &st) != nil || st.Mode&syscall.S_IFMT != syscall.S_IFREG {
			continue
		}
		switch {
		case st.Size == 0:
			if now.Sub(time.Unix(st.Mtim.Unix())) > conf.PurgeTime {
				removeEmpty(name, path)
			}
		case age == 0 || now.Sub(time.Unix(st.Atim.Unix())) > age:
			sendLog(name, "")
		}
	}
}

// removeEmpty removes a log that is still empty when nobody else can write it.
func removeEmpty(name, path string) {
	f, err := open(name, os.O_RDWR)
	if err != nil {
		return
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() == 0 {
		if err := os.Remove(path); err != nil {
			msg.Warn("%v", err)
		}
	}
}

func wake(requests string) {
	if err := conf.Trigger("public/"+conf.QueueServiceName, requests); err != nil {
		msg.Warn("%v", err)
	}
}

package account

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"postrider/lib/base/stream"
)

// patience limits the wait for a user database service.
const patience = 20 * time.Second

// foreign reports whether the system has accounts that are in no file.
func (s Source) foreign(database string) bool {
	text, err := os.ReadFile(s.Switch)
	if err != nil {
		return false
	}
	for line := range strings.SplitSeq(string(text), "\n") {
		line, _, _ = strings.Cut(line, "#")
		name, sources, ok := strings.Cut(line, ":")
		if !ok || strings.TrimSpace(name) != database {
			continue
		}
		for _, source := range strings.Fields(sources) {
			switch {
			case source[0] == '[': // [NOTFOUND=return]
			case source == "files", source == "compat", source == "systemd", source == "altfiles":
			default:
				return true
			}
		}
	}
	return false
}

func (s Source) elsewhere(field string, key any, text string) (User, bool, error) {
	var r struct {
		UserName, RealName, HomeDirectory, Shell string
		UID, GID                                 *int
	}
	found, err := s.userdb("GetUserRecord", field, key, &r)
	switch {
	case errors.Is(err, errNoService):
		line, err := s.getent("passwd", text)
		if err != nil {
			return User{}, false, err
		}
		u, ok := ParseUser(line)
		if !ok {
			return User{}, false, fmt.Errorf("%w: getent passwd %s gave %q", ErrUnavailable, text, line)
		}
		return u, true, nil
	case !found || err != nil:
		return User{}, false, err
	case r.UID == nil || r.UserName == "":
		return User{}, false, fmt.Errorf("%w: incomplete record of %s", ErrUnavailable, text)
	}
	u := User{Name: r.UserName, UID: *r.UID, GID: *r.UID, FullName: r.RealName, Home: r.HomeDirectory, Shell: r.Shell}
	if r.GID != nil {
		u.GID = *r.GID
	}
	return u, true, nil
}

func (s Source) groupElsewhere(field string, key any, text string) (Group, bool, error) {
	var r struct {
		GroupName string
		GID       *int
		Members   []string
	}
	found, err := s.userdb("GetGroupRecord", field, key, &r)
	switch {
	case errors.Is(err, errNoService):
		line, err := s.getent("group", text)
		if err != nil {
			return Group{}, false, err
		}
		g, ok := parseGroup(line)
		if !ok {
			return Group{}, false, fmt.Errorf("%w: getent group %s gave %q", ErrUnavailable, text, line)
		}
		return g, true, nil
	case !found || err != nil:
		return Group{}, false, err
	case r.GID == nil || r.GroupName == "":
		return Group{}, false, fmt.Errorf("%w: incomplete record of %s", ErrUnavailable, text)
	}
	return Group{Name: r.GroupName, GID: *r.GID, Members: r.Members}, true, nil
}

// errNoService says that systemd's user database service does not run here.
var errNoService = errors.New("no user database service")

// dial connects to a local socket, without package net: setgid programs need
// accounts too.
func dial(path string) (stream.FD, error) {
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, err
	}
	conn := stream.FD(fd)
	if err := conn.SetTimeout(patience); err != nil {
		conn.Close()
		return -1, err
	}
	if err := syscall.Connect(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		conn.Close()
		return -1, err
	}
	return conn, nil
}

// userdb asks systemd's user database service. A request and its reply are
// JSON texts with a NUL byte at the end (https://varlink.org).
func (s Source) userdb(method, field string, key, record any) (found bool, err error) {
	conn, err := dial(s.Userdb)
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) || s.Userdb == "" {
		return false, errNoService
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	defer conn.Close()
	request, err := json.Marshal(map[string]any{
		"method":     "io.systemd.UserDatabase." + method,
		"parameters": map[string]any{field: key, "service": "io.systemd.Multiplexer"},
	})
	if err != nil {
		return false, err
	}
	if _, err := conn.Write(append(request, 0)); err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	text, err := bufio.NewReader(conn).ReadBytes(0)
	if err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	var reply struct {
		Error      string
		Parameters struct{ Record json.RawMessage }
	}
	if err := json.Unmarshal(text[:len(text)-1], &reply); err != nil {
		return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	switch reply.Error {
	case "":
		if err := json.Unmarshal(reply.Parameters.Record, record); err != nil {
			return false, fmt.Errorf("%w: %w", ErrUnavailable, err)
		}
		return true, nil
	case "io.systemd.UserDatabase.NoRecordFound":
		return false, nil
	}
	return false, fmt.Errorf("%w: %s", ErrUnavailable, reply.Error)
}

// getent runs getent(1). It has the same exit status for "unknown" and for
// "no answer", so only what it finds can be believed.
func (s Source) getent(database, key string) (line string, err error) {
	if s.Getent == "" {
		return "", fmt.Errorf("%w: %s", ErrUnavailable, key)
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, s.Getent, database, "--", key).Output()
	if err != nil {
		return "", fmt.Errorf("%w: %s has more sources of the %s database than files, and getent(1) cannot tell "+
			"whether %s is unknown or a source is away; run systemd-userdbd", ErrUnavailable, s.Switch, database, key)
	}
	return strings.TrimSuffix(string(out), "\n"), nil
}

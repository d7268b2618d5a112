package main

import (
	"strings"

	"postrider/lib/base/asuser"
	"postrider/lib/base/msg"
)

// start begins all services of a new master. What cannot listen now would be
// missing without anybody noticing, so that is the end.
func (m *master) start(specs []spec) error {
	for _, wanted := range specs {
		s, err := m.open(wanted)
		if err != nil {
			return err
		}
		m.services[s.key()] = s
	}
	for _, s := range m.services {
		s.start()
	}
	return nil
}

// open makes the sockets of a service.
func (m *master) open(wanted spec) (*service, error) {
	s := &service{spec: wanted, m: m, processes: map[int]*process{}}
	for _, a := range wanted.addresses {
		k, err := listen(a, wanted.backlog, m.owner)
		if err != nil {
			for _, k := range s.sockets {
				k.close()
			}
			return nil, err
		}
		s.sockets = append(s.sockets, k)
	}
	return s, nil
}

// reload reads the configuration again. No session is cut short: processes of
// services that stay are told to leave when they are done. With a wrong file
// everything goes on as it was.
func (m *master) reload() {
	msg.Info("reload -- version %s, configuration %s", conf.MailVersion, m.dir)
	old := m.settings
	p, err := m.parameters()
	var specs []spec
	if err == nil {
		specs, err = m.read(p)
	}
	if err == nil {
		err = m.adopt(p)
	}
	if err != nil {
		m.settings = old
		for line := range strings.Lines(err.Error()) {
			msg.Error("%s", strings.TrimSuffix(line, "\n"))
		}
		msg.Error("configuration not changed; the services go on as before: correct the files and reload again")
		return
	}
	m.apply(specs)
}

// adopt makes parameters those of the running master. Where it lives cannot
// change while it runs.
func (m *master) adopt(p *parameters) error {
	uid, gid, err := p.Owner()
	if err != nil {
		return err
	}
	keep := func(name string, old string, value *string) {
		if old != "" && old != *value {
			msg.Warn("ignoring %s parameter value change", name)
			msg.Warn("old value: %q, new value: %q", old, *value)
			msg.Warn("to change %s, stop and start Postfix", name)
			*value = old
		}
	}
	keep("queue_directory", conf.QueueDirectory, &p.QueueDirectory)
	keep("data_directory", conf.DataDirectory, &p.DataDirectory)
	conf = *p
	m.owner = asuser.User{UID: uid, GID: gid}
	m.throttleTime = p.ThrottleTime
	m.environ = m.childEnvironment()
	m.log()
	return nil
}

// apply makes the services those of specs. Services that are gone come first,
// for a new one may want their addresses.
func (m *master) apply(specs []spec) {
	wanted := map[string]bool{}
	for i := range specs {
		wanted[specs[i].key()] = true
	}
	for key, s := range m.services {
		if !wanted[key] {
			delete(m.services, key)
			s.stop()
		}
	}
	for _, w := range specs {
		if s := m.services[w.key()]; s != nil {
			s.change(w)
			continue
		}
		s, err := m.open(w)
		if err != nil {
			msg.Error("%s: service %s(%s) does not run: %v", w.origin, w.name, w.kind, err)
			continue
		}
		m.services[s.key()] = s
		s.start()
	}
}

// change gives a running service what master.cf says now. Sockets of addresses
// that stay are kept, with the clients that wait in them.
func (s *service) change(w spec) {
	s.m.loop.cancel(s.throttled)
	s.throttled = nil
	s.unwatch()
	old := s.sockets
	s.sockets = nil
	for _, a := range w.addresses {
		if i := indexAddress(old, a); i >= 0 {
			old[i].setBacklog(w.backlog)
			s.sockets = append(s.sockets, old[i])
			old = append(old[:i:i], old[i+1:]...)
			continue
		}
		k, err := listen(a, w.backlog, s.m.owner)
		if err != nil {
			msg.Error("%s: service %s(%s): %v", w.origin, w.name, w.kind, err)
			continue
		}
		s.sockets = append(s.sockets, k)
	}
	for _, k := range old {
		k.close()
	}
	s.spec = w
	s.restart()
	s.startWakeup()
}

func indexAddress(list []socket, a address) int {
	for i, k := range list {
		if k.address == a {
			return i
		}
	}
	return -1
}

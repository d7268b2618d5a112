package param

import (
	"maps"
	"reflect"
	"sync"
	"time"
)

// Verify reports what is wrong with the value of a setting, with file and line:
// an expression that cannot be evaluated, the wrong type, out of bounds. The
// parameter that it is like says what is right; that may be the setting itself,
// the new name of an old one, or default_* for a transport's own. Nil is the
// parameter of the administrator's own making.
func (s *Settings) Verify(name string, like *Builtin) error {
	if like == nil {
		like = &Builtin{}
	}
	t := tag{name: name, fallback: like.Default, unit: unitOf(like.Default), min: like.Min, max: like.Max}
	return s.field(like.Kind.value(), t, &naming{})
}

// value returns a variable of the type of a parameter.
func (k Kind) value() reflect.Value {
	var v any
	switch k {
	case RawText:
		v = new(Raw)
	case Int:
		v = new(int)
	case Long:
		v = new(int64)
	case Bool:
		v = new(bool)
	case Time:
		v = new(time.Duration)
	default:
		v = new(string)
	}
	return reflect.ValueOf(v).Elem()
}

// Place returns where a setting was made; no file when main.cf does not set it.
func (s *Settings) Place(name string) (file string, line int) {
	value := s.set[name]
	return value.file, value.line
}

// Clone returns settings that can be overridden without a change of these.
func (s *Settings) Clone() *Settings {
	c := New(s.dir)
	c.set = maps.Clone(s.set)
	c.networks = sync.OnceValues(c.myNetworks)
	return c
}

// OverrideAt is Override with the place for messages.
func (s *Settings) OverrideAt(name, value, file string, line int) {
	s.set[name] = setting{value, file, line}
}

package param

import (
	"errors"
	"fmt"
	"math"
	"reflect"
	"strconv"
	"strings"
	"time"
)

// assign converts text to the type of a field, checks its bounds and stores it.
func assign(v reflect.Value, text string, t tag) error {
	if v.Type() == reflect.TypeFor[time.Duration]() {
		return assignTime(v, text, t)
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(text)
		return nil
	case reflect.Bool:
		yes, err := ParseBool(text)
		if err != nil {
			return err
		}
		v.SetBool(yes)
		return nil
	case reflect.Int, reflect.Int64:
		return assignInt(v, text, t)
	}
	panic(fmt.Sprintf("param: a parameter cannot be a %s", v.Type()))
}

// assignInt stores a number. Those of type int have 32 bits everywhere, since
// they also travel between programs.
func assignInt(v reflect.Value, text string, t tag) error {
	bits := 64
	if v.Kind() == reflect.Int {
		bits = 32
	}
	number, err := strconv.ParseInt(text, 10, bits)
	if errors.Is(err, strconv.ErrRange) {
		return fmt.Errorf("bad numerical configuration: the number is too large or too small")
	}
	if err != nil {
		return errors.New("bad numerical configuration: want a number")
	}
	if t.min != "" && number < mustInt(t.min) {
		return fmt.Errorf("the value is below the minimum, %s", t.min)
	}
	if t.max != "" && number > mustInt(t.max) {
		return fmt.Errorf("the value is above the maximum, %s", t.max)
	}
	v.SetInt(number)
	return nil
}

func mustInt(text string) int64 {
	number, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		panic("param: bad bound " + text)
	}
	return number
}

// assignTime stores a time.
func assignTime(v reflect.Value, text string, t tag) error {
	value, err := parseTime(text, t.unit)
	if err != nil {
		return err
	}
	if t.min != "" && value < mustTime(t.min, t.unit) {
		return fmt.Errorf("the time is below the minimum, %s", t.min)
	}
	if t.max != "" && value > mustTime(t.max, t.unit) {
		return fmt.Errorf("the time is above the maximum, %s", t.max)
	}
	v.SetInt(int64(value))
	return nil
}

func mustTime(text string, unit byte) time.Duration {
	value, err := parseTime(text, unit)
	if err != nil {
		panic("param: bad bound " + text)
	}
	return value
}

// ParseBool reads yes or no, in any case.
func ParseBool(text string) (bool, error) {
	switch {
	case strings.EqualFold(text, "yes"):
		return true, nil
	case strings.EqualFold(text, "no"):
		return false, nil
	}
	return false, errors.New("bad boolean configuration: want yes or no")
}

// ParseTime reads a time such as 30s, 5m, 2h, 1d or 1w. A number without unit
// has that of fallback, the default of the parameter; seconds when that has none.
func ParseTime(text, fallback string) (time.Duration, error) {
	return parseTime(text, unitOf(fallback))
}

func parseTime(text string, unit byte) (time.Duration, error) {
	number := text
	if text != "" {
		if last := text[len(text)-1] | 0x20; last >= 'a' {
			number, unit = text[:len(text)-1], last
		}
	}
	n, err := strconv.ParseUint(number, 10, 63)
	scale := unitLength(unit)
	switch {
	case err != nil && !errors.Is(err, strconv.ErrRange), scale == 0:
		return 0, errors.New("bad time configuration: want a number with unit s, m, h, d or w")
	case err != nil || n > math.MaxInt32/uint64(scale/time.Second):
		return 0, errors.New("bad time configuration: the time is too long")
	}
	return time.Duration(n) * scale, nil
}

func unitLength(unit byte) time.Duration {
	switch unit {
	case 's':
		return time.Second
	case 'm':
		return time.Minute
	case 'h':
		return time.Hour
	case 'd':
		return 24 * time.Hour
	case 'w':
		return 7 * 24 * time.Hour
	}
	return 0
}

// unitOf returns the unit of a default: its last letter.
func unitOf(fallback string) byte {
	if fallback != "" {
		if last := fallback[len(fallback)-1]; unitLength(last) != 0 {
			if n := len(fallback); n == 1 || fallback[n-2] == '}' || '0' <= fallback[n-2] && fallback[n-2] <= '9' {
				return last
			}
		}
	}
	return 's'
}

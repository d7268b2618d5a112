package ere

// A set is a set of bytes. All matching is by byte, as in the C locale.
type set [4]uint64

func (s *set) add(c byte)      { s[c>>6] |= 1 << (c & 63) }
func (s *set) remove(c byte)   { s[c>>6] &^= 1 << (c & 63) }
func (s *set) has(c byte) bool { return s[c>>6]>>(c&63)&1 != 0 }

func (s *set) addRange(low, high byte) {
	for c := int(low); c <= int(high); c++ {
		s.add(byte(c))
	}
}

func (s *set) union(other set) {
	for i := range s {
		s[i] |= other[i]
	}
}

// fold adds the other case of each letter.
func (s *set) fold() {
	for c := byte('a'); c <= 'z'; c++ {
		if upper := c - 'a' + 'A'; s.has(c) || s.has(upper) {
			s.add(c)
			s.add(upper)
		}
	}
}

func (s set) inverted(yes bool) set {
	if yes {
		for i := range s {
			s[i] = ^s[i]
		}
	}
	return s
}

func (s set) within(other set) bool {
	for i := range s {
		if s[i]&^other[i] != 0 {
			return false
		}
	}
	return true
}

func fullSet() set { return set{}.inverted(true) }

func wordSet() set {
	s := classSet("alnum")
	s.add('_')
	return s
}

// classSet returns the characters of a class such as "alpha", in ASCII; an empty
// set for an unknown name.
func classSet(name string) (s set) {
	add := func(ranges ...byte) {
		for i := 0; i < len(ranges); i += 2 {
			s.addRange(ranges[i], ranges[i+1])
		}
	}
	switch name {
	case "alpha":
		add('a', 'z', 'A', 'Z')
	case "digit":
		add('0', '9')
	case "alnum":
		add('a', 'z', 'A', 'Z', '0', '9')
	case "upper":
		add('A', 'Z')
	case "lower":
		add('a', 'z')
	case "space":
		add('\t', '\r', ' ', ' ')
	case "blank":
		add('\t', '\t', ' ', ' ')
	case "punct":
		add('!', '/', ':', '@', '[', '`', '{', '~')
	case "print":
		add(' ', '~')
	case "graph":
		add('!', '~')
	case "cntrl":
		add(0, 0x1f, 0x7f, 0x7f)
	case "xdigit":
		add('0', '9', 'a', 'f', 'A', 'F')
	}
	return s
}

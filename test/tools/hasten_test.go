package tools

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"os"
)

// hasten makes a library or program of stock call getpid or isatty where it
// calls sleep: its commands rest for a second before they end with an error, and
// there are hundreds of these here.
func hasten(path string) error {
	image, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	file, err := elf.NewFile(bytes.NewReader(image))
	if err != nil {
		return err
	}
	symbols, names := file.SectionByType(elf.SHT_DYNSYM), file.Section(".dynstr")
	if symbols == nil || names == nil {
		return errors.New(path + ": no symbols")
	}
	text, err := names.Data()
	if err != nil {
		return err
	}
	name := func(at uint64) string {
		s, _, _ := bytes.Cut(text[binary.LittleEndian.Uint32(image[at:]):], []byte{0})
		return string(s)
	}
	var sleep, other uint64 // places of the symbols
	for at := symbols.Offset; at < symbols.Offset+symbols.Size; at += elf.Sym64Size {
		switch name(at) {
		case "sleep":
			sleep = at
		case "getpid", "isatty":
			other = at
		}
	}
	if sleep == 0 || other == 0 {
		return errors.New(path + ": does not import sleep, and getpid or isatty")
	}
	copy(image[sleep:sleep+4], image[other:other+4]) // the name
	return os.WriteFile(path, image, 0o755)
}

package compose

import (
	"errors"
	"io"
)

// Close ends the use of the tables.
func (all tables) Close() (err error) {
	for _, t := range all {
		if c, ok := t.(io.Closer); ok {
			err = errors.Join(err, c.Close())
		}
	}
	return err
}

func (p pipe) Close() error  { return tables(p).Close() }
func (u union) Close() error { return tables(u).Close() }

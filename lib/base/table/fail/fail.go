// Package fail has the table type "fail": every lookup fails. It shows what
// becomes of mail when a table does not work.
package fail

import (
	"errors"

	"postrider/lib/base/table"
)

func init() {
	table.Register("fail", func(string, table.Flags) (table.Table, error) { return failure{}, nil })
}

type failure struct{}

func (failure) Lookup(string) (string, bool, error) {
	return "", false, errors.New("this table always fails")
}

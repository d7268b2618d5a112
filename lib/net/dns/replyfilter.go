package dns

import (
	"fmt"
	"strings"

	"postrider/lib/base/msg"
	"postrider/lib/base/table"
)

// ReplyFilter makes Options.Drop from the tables of a parameter such as
// smtp_dns_reply_filter; without tables it is nil.
func ReplyFilter(parameter, tables string) (func(record string) (bool, error), error) {
	if tables == "" {
		return nil, nil
	}
	list, err := table.OpenList(tables, table.FoldKey|table.FoldPattern)
	if err != nil {
		return nil, fmt.Errorf("parameter %s: %w", parameter, err)
	}
	return func(record string) (bool, error) {
		found, ok, err := list.Lookup(record)
		if err != nil || !ok {
			return false, err
		}
		if !strings.EqualFold(found, "IGNORE") {
			return false, fmt.Errorf("unknown DNS filter action: %q", found)
		}
		msg.Info("ignoring DNS RR: %s", record)
		return true, nil
	}, nil
}

package table

import "time"

// RetryNow lets a table that could not be opened be tried at the next lookup.
func RetryNow(t Table) { t.(*unavailable).tried = time.Time{} }

// Package all makes every type of table known that needs no other process.
package all

import (
	_ "postrider/lib/base/table/cdb"
	_ "postrider/lib/base/table/hash"
	_ "postrider/lib/base/table/inline"
	_ "postrider/lib/base/table/static"
)

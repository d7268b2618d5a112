// Package all makes every type of table known that needs no daemon of the suite.
package all

import (
	_ "postrider/lib/base/table/cdb"
	_ "postrider/lib/base/table/cidr"
	_ "postrider/lib/base/table/compose"
	_ "postrider/lib/base/table/debug"
	_ "postrider/lib/base/table/driver"
	_ "postrider/lib/base/table/environ"
	_ "postrider/lib/base/table/fail"
	_ "postrider/lib/base/table/hash"
	_ "postrider/lib/base/table/inline"
	_ "postrider/lib/base/table/lmdb"
	_ "postrider/lib/base/table/memcache"
	_ "postrider/lib/base/table/memory"
	_ "postrider/lib/base/table/pcre"
	_ "postrider/lib/base/table/regexp"
	_ "postrider/lib/base/table/socketmap"
	_ "postrider/lib/base/table/static"
	_ "postrider/lib/base/table/tcp"
	_ "postrider/lib/base/table/texthash"
	_ "postrider/lib/base/table/unix"
)

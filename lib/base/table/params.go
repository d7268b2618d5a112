package table

// Params are parameters of types of tables.
type Params struct {
	// The largest reply of a socketmap server, in bytes, without the length in
	// front of it. A larger one is an error.
	SocketmapMaxReplySize int `param:"socketmap_max_reply_size" default:"100000" min:"1"`
}

// CacheParams are the parameters of programs that keep a cache in a table.
type CacheParams struct {
	// The type of the tables that daemons keep as caches. Files that were
	// written as another type are not converted.
	DefaultCacheDBType string `param:"default_cache_db_type" default:"btree"`
}

var params = Params{SocketmapMaxReplySize: 100_000}

// Use makes p the parameters of all tables. A program calls it before it opens
// any; without it, the defaults count.
func Use(p Params) { params = p }

// Settings returns the parameters of tables.
func Settings() Params { return params }

// Nbdb_reindexd makes table files that take the place of Berkeley DB files, while a
// configuration is on its way to other types of tables.
//
// # DESCRIPTION
//
// With non_bdb_migration_level = enable-reindex, a daemon that opens a table of type
// hash or btree, and finds no file of the type that these are redirected to, asks
// this service to make one. It runs postmap(1), or postalias(1) when the old file was
// made by that, and answers when the file is there. "postfix non-bdb
// enable-reindex" sets the level and adds the service to master.cf; leave it on no
// longer than the daemons need to open all their tables once.
//
// A file is made when all of this is true:
//
//   - The old file, with .db behind the name of the table, is there. The command runs
//     with its owner and group.
//   - The source is there. It belongs to root or to the same user, and neither its
//     group nor others may write it.
//   - The same is true of the directory that they are in.
//   - The directory is below one that non_bdb_migration_allow_root_prefixes names, when
//     the file belongs to root, or else non_bdb_migration_allow_user_prefixes.
//
// # SECURITY
//
// The server runs as root, and answers those who can reach the sockets below
// $queue_directory/private. One of these that somebody else has taken over could name
// any path, and exchange files while they are looked at. So the lists of
// directories should name only such in which nobody but the owner of the files can do
// that.
//
// # DIAGNOSTICS
//
// What is made is logged, and why something is not. A command that fails leaves no
// unfinished file.
package main

import (
	"sync"

	"postrider/lib/base/attr"
	"postrider/lib/base/msg"
	"postrider/lib/base/stream"
	"postrider/lib/daemon/server"
	"postrider/lib/service/ipc"
	"postrider/lib/service/reindex"
	"postrider/lib/service/reindex/maker"
)

func main() {
	server.Main(server.Daemon{
		Name:       "nbdb_reindexd",
		Params:     &conf,
		Limit:      server.OneProcess,
		Privileged: true,
		PreJail:    prepare,
		Serve:      server.Multi(func(s *stream.Stream, c server.Client) { serve(s) }),
	})
}

// work is done for one client at a time: several may ask for the same file.
var work struct {
	sync.Mutex
	*maker.Maker
}

func prepare(p *server.Process) {
	redirect := reindex.Redirector(p.Settings)
	if conf.Reindex.Level != "enable-reindex" {
		msg.Warn("non_bdb_migration_level is %s: all requests are refused", conf.Reindex.Level)
	}
	work.Maker = &maker.Maker{Params: conf.Reindex, Commands: conf.CommandDirectory, Redirect: redirect}
}

// serve answers one request.
func serve(s *stream.Stream) {
	s.SetTimeout(conf.IPCTimeout)
	ipc.Announce(s, reindex.Protocol)
	var q reindex.Request
	if err := attr.Read(s, &q); err != nil {
		msg.Warn("bad request: %v", err)
		return
	}
	attr.Write(s, answer(q))
	s.Flush()
}

func answer(q reindex.Request) reindex.Reply {
	if conf.Reindex.Level != "enable-reindex" {
		return reindex.Reply{Status: 1, Reason: "non_bdb_migration_level is " + conf.Reindex.Level}
	}
	work.Lock()
	defer work.Unlock()
	if err := work.Make(q.Kind, q.Name); err != nil {
		msg.Warn("%v", err)
		return reindex.Reply{Status: 1, Reason: err.Error()}
	}
	return reindex.Reply{}
}

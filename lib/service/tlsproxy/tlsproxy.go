// Package tlsproxy is how programs that do not speak TLS get it from tlsproxy(8):
// they hand it a connection, and the one with tlsproxy becomes what is inside of TLS.
package tlsproxy

// Protocol is what the server announces.
const Protocol = "tlsproxy_protocol"

// Roles.
const (
	Server = 1
	Client = 2
)

// A Request says what is wanted. The descriptor of the connection follows when the
// server has agreed.
type Request struct {
	Remote    string `attr:"remote_endpoint"` // for the log: "[192.0.2.1]:1234"
	Role      int    `attr:"flags"`
	Handshake int    `attr:"timeout"` // time limit, in seconds
	Session   int    `attr:"timeout"` // time limit for each read and write after that
	ServerID  string `attr:"serverid"`
}

// Statuses of replies.
const (
	Refused = 0
	Agreed  = 1
)

// A Reply comes before the descriptor is sent.
type Reply struct {
	Status int `attr:"status"`
}

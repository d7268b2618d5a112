package main

// pass hands all recipients that are left to another transport of this machine,
// which knows more about them.
func (d *delivery) pass(transport string) {
	for _, r := range d.open() {
		r.state = answered
		r.Answered = d.req.Pass(r.Recipient, transport)
	}
}

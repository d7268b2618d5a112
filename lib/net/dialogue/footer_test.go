package dialogue

import "testing"

func TestFooter(t *testing.T) {
	for _, c := range []struct{ reply, words, want string }{
		{"550 5.7.1 No", `See our page`, "550-5.7.1 No\n550 5.7.1 See our page"},
		{"550 5.7.1 No", `\c. See our page`, "550 5.7.1 No. See our page"},
		{"550 5.7.1 No", `\c. See\npage two\nand three`, "550-5.7.1 No. See\n550-5.7.1 page two\n550 5.7.1 and three"},
		{"550 No", `one\ntwo`, "550-No\n550-one\n550 two"},
		{"550-5.7.1 No\n550 5.7.1 way", `See`, "550-5.7.1 No\n550-5.7.1 way\n550 5.7.1 See"},
	} {
		if got := Footer(c.reply, c.words); got != c.want {
			t.Errorf("Footer(%q, %q) = %q, want %q", c.reply, c.words, got, c.want)
		}
	}
}

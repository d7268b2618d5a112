package known

import "strings"

// Restriction names, of smtpd(8). Source: postconf(5), smtpd_client_restrictions and
// the others of its kind; some are those of old releases.
var (
	plainRestrictions = set("check_recipient_maps check_relay_domains check_sender_maps defer defer_if_permit " +
		"defer_if_reject defer_unauth_destination permit permit_auth_destination permit_inet_interfaces " +
		"permit_mx_backup permit_mynetworks permit_naked_ip_address permit_sasl_authenticated " +
		"permit_tls_all_clientcerts permit_tls_clientcerts reject " +
		"reject_authenticated_sender_login_mismatch reject_invalid_helo_hostname reject_invalid_hostname " +
		"reject_known_sender_login_mismatch reject_maps_rbl reject_multi_recipient_bounce " +
		"reject_non_fqdn_helo_hostname reject_non_fqdn_hostname reject_non_fqdn_recipient " +
		"reject_non_fqdn_sender reject_plaintext_session reject_sender_login_mismatch " +
		"reject_unauth_destination reject_unauth_pipelining reject_unauthenticated_sender_login_mismatch " +
		"reject_unknown_address reject_unknown_client reject_unknown_client_hostname " +
		"reject_unknown_forward_client_hostname reject_unknown_helo_hostname reject_unknown_hostname " +
		"reject_unknown_recipient_domain reject_unknown_reverse_client_hostname " +
		"reject_unknown_sender_domain reject_unlisted_recipient reject_unlisted_sender " +
		"reject_unverified_recipient reject_unverified_sender")
	withArgument = set("check_ccert_access check_client_a_access check_client_access check_client_mx_access " +
		"check_client_ns_access check_etrn_access check_helo_a_access check_helo_access " +
		"check_helo_mx_access check_helo_ns_access check_policy_service check_recipient_a_access " +
		"check_recipient_access check_recipient_mx_access check_recipient_ns_access " +
		"check_reverse_client_hostname_a_access check_reverse_client_hostname_access " +
		"check_reverse_client_hostname_mx_access check_reverse_client_hostname_ns_access " +
		"check_sasl_access check_sender_a_access check_sender_access check_sender_mx_access " +
		"check_sender_ns_access permit_dnswl_client permit_rhswl_client reject_rbl reject_rbl_client " +
		"reject_rhsbl_client reject_rhsbl_helo reject_rhsbl_recipient reject_rhsbl_reverse_client " +
		"reject_rhsbl_sender sleep")
)

func set(words string) map[string]bool {
	m := make(map[string]bool)
	for name := range strings.FieldsSeq(words) {
		m[name] = true
	}
	return m
}

// Restriction reports whether smtpd(8) has a restriction of this name, and whether
// the next word of the list belongs to it.
func Restriction(name string) (known, argument bool) {
	return plainRestrictions[name] || withArgument[name], withArgument[name]
}

// Restrictions are the names of all.
func Restrictions() []string {
	var list []string
	for _, m := range []map[string]bool{plainRestrictions, withArgument} {
		for name := range m {
			list = append(list, name)
		}
	}
	return list
}

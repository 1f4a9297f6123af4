//! The messages are the product here: they are checked word by word where it matters.

use super::*;
use std::path::PathBuf;

fn parse(text: &str) -> Result<Config, ConfigError> {
    Config::parse(Path::new("/etc/frontdoor/frontdoor.toml"), text, |name| {
        (name == "HOME").then(|| "/home/ops".into())
    })
}

fn complaint(text: &str) -> String {
    match parse(text) {
        Ok(_) => panic!("accepted:\n{text}"),
        Err(error) => error.to_string(),
    }
}

const SERVER: &str = "[server]\nprofile = \"prompts/bank\"\n";

#[test]
fn defaults_fill_everything_but_the_profile() {
    let config = parse(SERVER).expect("a profile is enough");
    assert_eq!(config.server.profile, PathBuf::from("/etc/frontdoor/prompts/bank"));
    assert_eq!(config.server.data_dir, PathBuf::from("/home/ops/.local/share/frontdoor"));
    assert_eq!(config.recording.dir, config.server.data_dir.join("recordings"));
    assert_eq!(config.sip.listen.len(), 2);
    assert_eq!(config.sip.listen[1].to_string(), "tcp:127.0.0.1:5060");
    assert_eq!((config.sip.session_expires_s, config.sip.session_min_s), (1800, 90));
    assert_eq!(config.hearing.endpoint_silence_ms, 600);
    assert_eq!((config.turns.complete_ms, config.turns.value_gap_ms), (300, 2300));
    assert_eq!(config.turns.end_model, None);
    assert_eq!(config.capacity.calls_conversing_max, CallsConversing::Auto);
    assert_eq!(config.capacity.latency_p95_max_ms, 800);
    let lines = "[capacity]\ncalls_conversing_max = 8\nleast_effort = \"small_hearing\"\n";
    let config = parse(&format!("{SERVER}{lines}")).expect("as many as calls_max may be");
    assert_eq!(config.capacity.calls_conversing_max, CallsConversing::AtMost(8));
    assert_eq!(config.capacity.least_effort, crate::base::Effort::SmallHearing);
    assert_eq!(config.understanding.accept_confidence, 0.55);
    assert_eq!((config.handoff.webhook, config.http, config.sip.trace), (None, None, true));
    let empty = complaint("");
    assert!(empty.contains("server.profile: is missing"), "{empty}");
}

#[test]
fn the_demo_configuration_is_valid() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("frontdoor.toml");
    let config = Config::load(&path).expect("frontdoor.toml at the top is valid");
    assert_eq!(config.caller_fields()[..3], ["customer_name", "first_name", "account_number"]);
    let lookup = config.caller_lookup.as_ref().expect("callers are looked up");
    assert_eq!(lookup.priority_up, [("gold".to_owned(), 2), (OPEN_TICKET.to_owned(), 1)].into());
    assert!(config.tells_ticket() && !config.recording.asks());
    assert!(config.uses_demo_crm());
    assert_eq!(config.verifications["account_pin"].slots, ["account_number", "pin"]);
}

#[test]
fn unknown_keys_name_place_and_fix() {
    assert_eq!(
        complaint("[server]\nprofile = \"x\"\ncalls_mx = 3\n"),
        "/etc/frontdoor/frontdoor.toml:3:1: unknown key `calls_mx`. Did you mean `calls_max`?"
    );
    assert_eq!(
        complaint("[medai]\nrtp_port_min = 2\n"),
        "/etc/frontdoor/frontdoor.toml:1:2: unknown key `medai`. Did you mean `media`?"
    );
    let far = complaint("[sip]\nzzzzzzzz = 1\n");
    assert!(far.contains("Known here: listen, advertise_ip"), "{far}");
    let action = complaint(&format!("{SERVER}[actions.\"a.b\"]\nkind = \"http\"\nulr = \"x\"\n"));
    assert!(action.ends_with(":5:1: unknown key `ulr`. Did you mean `url`?"), "{action}");
}

#[test]
fn wrong_types_and_broken_text_have_a_place() {
    let typed = complaint("[server]\nprofile = 3\n");
    assert!(typed.starts_with("/etc/frontdoor/frontdoor.toml:2:11: invalid type"), "{typed}");
    let broken = complaint("[server\n");
    assert!(broken.starts_with("/etc/frontdoor/frontdoor.toml:1:"), "{broken}");
}

#[test]
fn values_out_of_range_are_all_told_with_their_lines() {
    let text = "[server]\nprofile = \"p\"\ncalls_max = 0\n[media]\nrtp_port_min = 40001\n\
                [hearing]\nvad_threshold = 1.5\n[understanding]\nconfirm_confidence = 0.9\n";
    let message = complaint(text);
    for expected in [
        ":3: server.calls_max: 0 is not between 1 and 1000",
        ":5: media.rtp_port_min: 40001 is odd. RTP ports are even: 40002",
        ":7: hearing.vad_threshold: 1.5 is not between 0.0 and 1.0",
        ":9: understanding.confirm_confidence: 0.9 is more than accept_confidence (0.55)",
    ] {
        assert!(message.contains(expected), "{expected}\nnot in\n{message}");
    }
}

#[test]
fn browsers_reach_this_machine_alone_unless_it_is_said_where() {
    let parsed =
        |lines: &str| parse(&format!("{SERVER}[webrtc]\n{lines}\n")).expect("valid").webrtc;
    let local = parsed("");
    assert_eq!(local.listen, [std::net::IpAddr::from([127, 0, 0, 1])]);
    assert_eq!((local.udp_port_min, local.udp_port_max), (41_000, 41_999));
    assert_eq!((local.connect_timeout_s, local.stun.len(), local.turn.len()), (15, 0, 0));
    let lines = "listen = [\"192.0.2.5\", \"2001:db8::5\"]\nadvertise_ip = \"203.0.113.7\"\n\
                 stun = [\"stun:stun.example\"]\n\
                 turn = [{ url = \"turns:turn.example:5349?transport=tcp\", username = \"u\", \
                 password_env = \"TURN\" }]";
    let open = parsed(lines);
    assert_eq!((open.listen.len(), open.turn[0].password_env.as_str()), (2, "TURN"));
    assert_eq!(parsed("listen = \"0.0.0.0\"").listen.len(), 1);
    for (lines, why) in [
        ("listen = \"192.0.2.5:41000\"", "Write it without a port"),
        ("listen = []", "webrtc.listen: is empty"),
        ("listen = [\"::1\", \"::1\"]", "given twice"),
        ("advertise_ip = \"127.0.0.1\"", "cannot be reached by others"),
        ("udp_port_min = 5000\nudp_port_max = 5003", "room for 4 calls"),
        ("stun = [\"stun.example\"]", "is not a STUN server"),
        ("turn = [{ url = \"turn:x\" }]", "has no username or no password_env"),
        ("turn = [{ url = \"https://x\" }]", "is not the url of a TURN server"),
        (
            "turn = [{ url = \"turn:x\", username = \"u\", password_env = \"s3cret!\" }]",
            "is not the name of an environment variable",
        ),
        ("connect_timeout_s = 1", "1 is not between 3 and 120"),
    ] {
        let said = complaint(&format!("{SERVER}[webrtc]\n{lines}\n"));
        assert!(said.contains(why) && !said.contains("s3cret"), "{why}: {said}");
    }
}

#[test]
fn http_is_for_this_machine_or_for_who_knows_a_token() {
    let parsed = |lines: &str| parse(&format!("{SERVER}[http]\n{lines}\n")).expect("valid").http;
    let local = parsed("listen = \"127.0.0.1:9080\"").expect("it is listened for");
    assert_eq!((local.listen.port(), local.token_env), (9080, None));
    let open = parsed("listen = \"[::]:9080\"\ntoken_env = \"TOKEN\"").expect("it is, too");
    assert_eq!(open.token_env.as_deref(), Some("TOKEN"));
}

#[test]
fn pages_are_for_this_machine_or_encrypted_or_behind_a_proxy() {
    let parsed = |lines: &str| parse(&format!("{SERVER}[web]\n{lines}\n")).expect("valid").web;
    let local = parsed("listen = \"127.0.0.1:9090\"").expect("they are served");
    assert!(!local.is_encrypted());
    assert_eq!((local.call_tokens, local.calls_per_minute_per_source), (CallTokens::None, 6));
    let own = "listen = \"[::]:443\"\ncertificate = \"a.pem\"\nkey = \"/k/a.key\"";
    let own = parsed(own).expect("they are served");
    let certificate = own.certificate.clone().expect("there is one");
    assert_eq!(certificate.certificate, PathBuf::from("/etc/frontdoor/a.pem"));
    assert_eq!(certificate.key, PathBuf::from("/k/a.key"));
    assert!(own.is_encrypted());
    let behind = "listen = \"0.0.0.0:80\"\nplain = true\npublic_url = \"https://a.example/\"\n\
                  trusted_proxies = [\"10.0.0.0/8\", \"192.0.2.7\"]\ncall_tokens = \"required\"";
    let behind = parsed(behind).expect("they are served");
    assert!(behind.is_encrypted() && behind.certificate.is_none());
    assert_eq!(behind.public_url.as_deref(), Some("https://a.example"));
    assert_eq!(behind.call_tokens, CallTokens::Required);
    assert!(behind.is_proxy("10.1.2.3".parse().expect("an address")));
    assert!(!behind.is_proxy("192.0.2.8".parse().expect("an address")));
    assert_eq!(parse(SERVER).expect("valid").web, None);
    assert_eq!(parse(SERVER).expect("valid").records.retention_days, None);
    let kept = parse(&format!("{SERVER}[records]\nretention_days = 90\n")).expect("valid");
    assert_eq!(kept.records.retention_days, Some(90));
    let kept = parse(&format!("{SERVER}[records]\naudit_retention_days = 400\n")).expect("valid");
    assert_eq!(kept.records.audit_retention_days, Some(400));
}

#[test]
fn single_values_that_do_not_fit() {
    for (text, expected) in [
        ("[sip]\nlisten = [\"sctp:1.2.3.4:5\"]", "\"sctp\" is not a transport"),
        ("[sip]\nlisten = [\"tls:1.2.3.4:5061\"]", "tls_certificate: is missing, and \"tls:"),
        ("[sip]\ntls_certificate = \"a.pem\"", "tls_key: is missing while tls_certificate"),
        ("[sip]\nlisten = [\"udp:localhost:5060\"]", "not an IP address with a port"),
        ("[sip]\nlisten = []", "is empty"),
        ("[sip]\nadvertise_ip = \"0.0.0.0\"", "cannot be called"),
        ("[sip]\nsession_min_s = 30", "30 is not between 90 and 86400"),
        (
            "[sip]\nsession_expires_s = 100\nsession_min_s = 120",
            "sip.session_expires_s: 100 is less than session_min_s (120)",
        ),
        ("[sip]\ndigest = [\"md4\"]", "sip.digest: \"md4\" is no hash: use SHA-256 or MD5"),
        ("[sip]\ndigest = [\"md5\", \"MD5\"]", "\"MD5\" stands there twice"),
        ("[sip]\ndigest = []", "is empty. Remove the line"),
        ("[media]\nrtp_port_max = 40003", "room for 2 calls and server.calls_max is 8"),
        ("[media]\nrtp_port_max = 70000", "not between 1025 and 65535"),
        ("[media]\ncodecs = [\"g729\"]", "use opus, g722, pcmu or pcma"),
        ("[media]\ncodecs = [\"pcmu\", \"pcmu\"]", "twice"),
        ("[media]\ncodecs = []", "is empty"),
        ("[media]\nsrtp = \"on\"", "media.srtp: \"on\" is not \"off\", \"offered\" or"),
        ("[hearing]\npatient_silence_ms = 200", "less than endpoint_silence_ms"),
        ("[turns]\nlikely_ms = 200", "turns.likely_ms: 200 is less than complete_ms (300)"),
        ("[turns]\nsilence_min_ms = 50", "turns.silence_min_ms: 50 is not between 150 and 10000"),
        ("[turns]\npace_percent = 80", "Use 100 or more, or 0"),
        ("[turns]\nend_unlikely = 0.9", "0.9 is not less than end_likely (0.8)"),
        ("[capacity]\nlatency_p95_max_ms = 100", "100 is not between 300 and 10000"),
        ("[capacity]\ncalls_conversing_max = \"many\"", "\"many\" is neither a number nor"),
        (
            "[capacity]\ncalls_conversing_max = 9",
            "calls_conversing_max: 9 is not between 1 and server.calls_max (8)",
        ),
        ("[capacity]\ncalls_conversing_max = 1.5", "it must be a whole number or a word in quotes"),
        ("[capacity]\nleast_effort = \"keypad\"", "\"keypad\" is no effort. Known: full, no_"),
        ("[capacity]\nleast_effort = \"keypad_men\"", "Did you mean `keypad_menu`?"),
        ("[handoff]\nwebhook_url = \"https://x/y\"", "webhook_secret_env: is missing"),
        (
            "[handoff]\nwebhook_url = \"ftp://x\"\nwebhook_secret_env = \"KEY\"",
            "must begin with http",
        ),
        ("[http]\nlisten = \"localhost:9080\"", "\"localhost:9080\" is not an IP address"),
        ("[http]\nlisten = \"0.0.0.0:9080\"", "http.token_env: is missing, and 0.0.0.0:9080 can"),
        ("[http]\ntoken_env = \"TOKEN\"", "http.listen: is missing while token_env is given"),
        (
            "[http]\nlisten = \"127.0.0.1:1\"\ntoken_env = \"s3cret\"",
            "http.token_env: is not the name of an environment variable",
        ),
        ("[web]\nlisten = \"localhost:1\"", "web.listen: \"localhost:1\" is not an IP address"),
        ("[web]\nplain = true", "web.listen: is missing while other keys"),
        ("[web]\nlisten = \"0.0.0.0:1\"", "web.certificate: is missing, and 0.0.0.0:1 can"),
        ("[web]\nlisten = \"127.0.0.1:1\"\nkey = \"k\"", "web.certificate: is missing while key"),
        (
            "[web]\nlisten = \"127.0.0.1:1\"\npublic_url = \"https://a/b\"",
            "web.public_url: \"https://a/b\" is not where a browser",
        ),
        (
            "[web]\nlisten = \"127.0.0.1:1\"\ncall_tokens = \"require\"",
            "web.call_tokens: \"require\" is neither. Did you mean `required`?",
        ),
        (
            "[web]\nlisten = \"127.0.0.1:1\"\ntrusted_proxies = [\"proxy\"]",
            "web.trusted_proxies: \"proxy\" is no IP address or network",
        ),
        ("[records]\nretention_days = 0", "records.retention_days: 0 is not between 1 and 36500"),
        ("[caller_lookup]\naction = \"crm.caller\"", "there is no action \"crm.caller\""),
        ("[verifications.v]\nslots = [\"pin\"]", "verifications.v: has no action"),
        ("[actions.\"a.b\"]\ninputs = []", "actions.\"a.b\": has no kind"),
        ("[actions.\"a.b\"]\nkind = \"htpp\"", "Did you mean `http`?"),
        ("[actions.\"A b\"]\nkind = \"http\"\nurl = \"http://h/\"", "not a good name"),
    ] {
        let message = complaint(&format!("{SERVER}{text}\n"));
        assert!(message.contains(expected), "{expected}\nnot in\n{message}");
    }
}

#[test]
fn a_secret_in_the_file_is_refused_and_not_repeated() {
    let message = complaint(&format!(
        "{SERVER}[handoff]\nwebhook_url = \"https://x/\"\nwebhook_secret_env = \"hunter2-secret\"\n"
    ));
    assert!(message.contains("not the name of an environment variable"), "{message}");
    assert!(!message.contains("hunter2"), "{message}");
}

#[test]
fn certificates_are_found_beside_the_file() {
    let config = parse(&format!(
        "{SERVER}[sip]\nlisten = [\"tls:0.0.0.0:5061\", \"wss:0.0.0.0:443\"]\n\
         accept_unknown = false\n\
         tls_certificate = \"tls/a.pem\"\ntls_key = \"/k/a.key\"\ntls_ca = \"ca.pem\"\n"
    ))
    .expect("valid");
    let files = config.sip.certificate.expect("given");
    assert_eq!(files.certificate, PathBuf::from("/etc/frontdoor/tls/a.pem"));
    assert_eq!(files.key, PathBuf::from("/k/a.key"));
    assert_eq!(config.sip.tls_ca, Some(PathBuf::from("/etc/frontdoor/ca.pem")));
    assert_eq!(config.sip.listen[0].to_string(), "tls:0.0.0.0:5061");
}

#[test]
fn trunks_and_numbers_are_checked() {
    for (text, expected) in [
        ("[sip]\nlisten = [\"udp:192.0.2.1:5060\"]", "accept_unknown: is missing. \"udp:192.0.2.1"),
        ("[trunks.a]\ncalls_max = 3", ":3: trunks.a: says neither from where its calls come nor"),
        ("[trunks.\"A b\"]\nfrom = [\"192.0.2.1\"]", "is not a good name"),
        ("[trunks.a]\nfrom = [\"pbx.example\"]", "\"pbx.example\" is no IP address or network"),
        ("[trunks.a]\nfrom = [\"192.0.2.1/8\"]", "did you mean 192.0.0.0/8?"),
        (
            "[trunks.a]\nfrom = [\"192.0.2.1\"]\n[trunks.b]\nfrom = [\"192.0.2.1/32\"]",
            ":6: trunks.b.from: 192.0.2.1/32 is trunk a's already",
        ),
        ("[trunks.a]\nusername = \"u\"", "trunks.a.password_env: is missing"),
        ("[trunks.a]\nusername = \"u\"\npassword_env = \"hunter2\"", "environment variable"),
        ("[trunks.a]\nfrom = [\"192.0.2.1\"]\ncalls_max = 0", "0 is not between 1 and"),
        (
            "[trunks.a]\nfrom = [\"192.0.2.1\"]\n[trunks.a.register]\nusername = \"u\"",
            "trunks.a.register.registrars: is missing",
        ),
        (
            "[trunks.a.register]\nregistrars = [\"pbx\"]\nusername = \"u\"\npassword_env = \"P\"",
            "\"pbx\" is not the address of a registrar",
        ),
        (
            "[trunks.a]\nfrom = [\"::1\"]\nto = \"sip:1@h\"",
            "\"sip:1@h\" is not the address of a SIP",
        ),
        ("[trunks.a]\nfrom = [\"::1\"]\nkeepalive_s = 30", "keepalive_s: has nobody to ask"),
        (
            "[trunks.a]\nfrom = [\"::1\"]\nto = \"sip:h\"\nkeepalive_s = 3",
            ":6: trunks.a.keepalive_s: 3 is less than 5. Give 5 or more, or 0",
        ),
        ("[sip]\ndns_server = \"ns.example\"", "sip.dns_server: \"ns.example\" is not an IP"),
        ("[numbers]\n\"+44*20\" = {}", "a star stands at the end"),
        ("[numbers]\n\"+4420\" = { trunk = \"mian\" }\n[trunks.main]\nfrom = [\"::1\"]", "`main`?"),
        ("[numbers]\n\"+44 20\" = {}\n\"+4420\" = {}", "the same number as"),
    ] {
        let message = complaint(&format!("{SERVER}{text}\n"));
        assert!(message.contains(expected), "{expected}\nnot in\n{message}");
    }
}

#[test]
fn trunks_and_numbers_get_their_defaults() {
    let text = format!(
        "{SERVER}[sip]\nlisten = [\"udp:0.0.0.0:5060\"]\n\
         [trunks.main]\nfrom = [\"192.0.2.0/24\", \"2001:db8::1\"]\ncalls_max = 4\n\
         [trunks.main.register]\nregistrars = [\"sip:a.example\", \"sips:b.example\"]\n\
         username = \"4420\"\npassword_env = \"PBX_PASSWORD\"\n\
         [numbers]\n\"+44 20 7123\" = {{ profile = \"prompts/clinic\", trunk = \"main\" }}\n\"*\" = {{}}\n"
    );
    let config = parse(&text).expect("valid");
    assert!(!config.sip.accept_unknown);
    let trunk = &config.trunks[0];
    assert_eq!(
        (trunk.name.as_str(), trunk.calls_max, trunk.login.as_ref()),
        ("main", Some(4), None)
    );
    let register = trunk.register.as_ref().expect("given");
    assert_eq!((register.registrars.len(), register.expires_s), (2, 600));
    assert_eq!(trunk.keepalive_s, 30, "there is somebody to ask");
    assert_eq!(trunk.addresses().collect::<Vec<_>>(), ["sip:a.example", "sips:b.example"]);
    assert_eq!(register.login.username, "4420");
    let profiles: Vec<_> =
        config.numbers.iter().map(|n| (n.pattern.as_str(), &n.profile)).collect();
    let (clinic, bank) = ("/etc/frontdoor/prompts/clinic", "/etc/frontdoor/prompts/bank");
    assert_eq!(profiles, [("*", &PathBuf::from(bank)), ("44207123", &PathBuf::from(clinic))]);
    let alone = parse(SERVER).expect("valid");
    assert!(alone.sip.accept_unknown && alone.numbers.is_empty());
}

#[test]
fn a_trunk_is_asked_whether_it_is_there_if_it_has_an_address() {
    for (lines, keepalive_s) in [
        ("", 0),
        ("to = \"sips:pbx.example\"\n", 30),
        ("to = \"sip:pbx.example\"\nkeepalive_s = 0\n", 0),
        ("to = \"sip:pbx.example\"\nkeepalive_s = 60\n", 60),
    ] {
        let text = format!("{SERVER}[trunks.a]\nfrom = [\"192.0.2.1\"]\n{lines}");
        assert_eq!(parse(&text).expect("valid").trunks[0].keepalive_s, keepalive_s, "{lines}");
    }
    for (written, expected) in [
        ("192.0.2.53", "192.0.2.53:53"),
        ("192.0.2.53:5353", "192.0.2.53:5353"),
        ("2001:db8::53", "[2001:db8::53]:53"),
    ] {
        let text = format!("{SERVER}[sip]\ndns_server = \"{written}\"\n");
        let found = parse(&text).expect("valid").sip.dns_server;
        assert_eq!(found.map(|server| server.to_string()).as_deref(), Some(expected));
    }
}

fn http(lines: &str) -> String {
    format!("{SERVER}[actions.\"a.b\"]\nkind = \"http\"\ninputs = [\"id\"]\n{lines}\n")
}

#[test]
fn http_actions_are_checked() {
    for (lines, expected) in [
        ("", "has no url"),
        ("url = \"http://{id}.example/\"", "the host cannot have blanks"),
        ("url = \"http://u:p@h/\"", "Use bearer_env"),
        ("url = \"http://h/{ide}\"", "uses {ide}, which is not among the inputs. Did you mean"),
        ("url = \"http://h/{id\"", "`{` without `}`"),
        ("url = \"http://h/\"\nmethod = \"PSOT\"", "Did you mean `POST`?"),
        ("url = \"http://h/\"\nmethod = \"POST\"\nretries = 1", "may be done twice"),
        ("url = \"http://h/\"\noutputs = [\"x\"]", "is a list"),
        ("url = \"http://h/\"\noutputs = { x = \"a.b\" }", "not a JSON pointer"),
        ("url = \"http://h/\"\nfailures = { 200 = \"x\" }", "not an HTTP status of a failure"),
        ("url = \"http://h/\"\nheaders = { Authorization = \"x\" }", "is a secret"),
        ("url = \"http://h/\"\nbody = { a = 1 }", "a GET has no body"),
        ("url = \"http://h/\"\nbearer_env = \"abc\"", "environment variable"),
    ] {
        let message = complaint(&http(lines));
        assert!(message.contains(expected), "{expected}\nnot in\n{message}");
    }
    let demo = complaint(&format!(
        "{SERVER}[actions.\"crm.x\"]\nkind = \"demo_crm\"\nchanges_state = false\nurl = \"u\"\n"
    ));
    assert!(demo.contains(":6: actions.\"crm.x\".url: belongs to kind = \"http\""), "{demo}");
}

#[test]
fn http_actions_get_safe_defaults() {
    let get = parse(&http("url = \"http://h/{id}\"")).expect("valid");
    let action = &get.actions["a.b"];
    let ConnectorConfig::Http(details) = &action.connector else { panic!("http") };
    assert!(!action.changes_state);
    assert_eq!((details.retries, action.timeout_ms), (2, 3000));
    let post =
        parse(&http("url = \"http://h/\"\nmethod = \"POST\"\nbody = { a = { b = \"{id}\" } }"))
            .expect("valid");
    let action = &post.actions["a.b"];
    let ConnectorConfig::Http(details) = &action.connector else { panic!("http") };
    assert!(action.changes_state);
    assert_eq!(details.retries, 0);
    let body = details.body.as_ref().expect("a body");
    assert_eq!(
        body.fill(&|_| Some("a\"b".into())).expect("filled"),
        serde_json::json!({"a": {"b": "a\"b"}})
    );
    assert_eq!(body.fill(&|_| None), Err("id".to_owned()));
}

fn sql(lines: &str) -> String {
    format!("{SERVER}[actions.\"a.b\"]\nkind = \"sql\"\ninputs = [\"id\", \"day\"]\n{lines}\n")
}

const READ: &str = "database = \"sqlite:a.db\"\nstatements = [\"SELECT b FROM c WHERE d = :id\"]";

#[test]
fn sql_actions_are_checked() {
    for (lines, expected) in [
        ("", "has no database"),
        ("database = \"sqlite:a.db\"", ":3: actions.\"a.b\": does nothing"),
        ("database = \"a.db\"\nstatements = [\"SELECT 1\"]", "which kind of database"),
        ("database = \"sqlite:\"\nstatements = [\"SELECT 1\"]", "names no file"),
        ("database = \"sqlite::memory:\"\nstatements = [\"SELECT 1\"]", "is in memory"),
        ("database = \"sqlite:a?mode=ro\"\nstatements = [\"SELECT 1\"]", "options behind"),
        (
            "database = \"sqlite:a.db\"\nstatements = [\"SELECT 1\", \"SELECT :dya\"]",
            ":7: actions.\"a.b\".statements: statement 2 uses :dya, which is not among the inputs. \
             Did you mean `day`?",
        ),
        (
            "database = \"sqlite:a.db\"\nstatements = [\"SELECT :tody\"]",
            "statement 1 uses :tody, which is not among the inputs. Did you mean `today`?",
        ),
        ("database = \"sqlite:a.db\"\nstatements = [\"DROP TABLE c\"]", "begins with DROP"),
        (&format!("{READ}\noutputs = [\"x\"]"), "is a list"),
        (&format!("{READ}\noutputs = {{ x = \" \" }}"), "x: names no column"),
        (
            "database = \"sqlite:a.db\"\nstatements = [\"DELETE FROM c\"]\noutputs = { x = \"y\" }",
            "yields no row",
        ),
        (
            "database = \"sqlite:a.db\"\nstatements = [\"DELETE FROM c\"]\nchanges_state = false",
            ":8: actions.\"a.b\".changes_state: must be true",
        ),
        (&format!("{READ}\nfailures = {{ \"no row\" = \"x\" }}"), "Did you mean `no rows`?"),
        (&format!("{READ}\nfailures = {{ constraint = \"Not OK!\" }}"), "cannot stand under"),
        (
            &format!("{READ}\nrefuse = [{{ when = \"SELECT :idd\", word = \"no\" }}]"),
            "refuse: entry 1 uses :idd",
        ),
        (
            &format!("{READ}\nrefuse = [{{ when = \"DELETE FROM c\", word = \"no\" }}]"),
            "entry 1 changes something",
        ),
        (
            &format!("{READ}\nrefuse = [{{ when = \"SELECT 1\", word = \"this is too long\" }}]"),
            "entry 1: \"this is too long\" cannot stand",
        ),
        (&format!("{READ}\nrefuse = [{{ when = \"SELECT 1\" }}]"), "missing field `word`"),
        (&format!("{READ}\nurl = \"http://h/\""), "url: belongs to kind = \"http\""),
    ] {
        let message = complaint(&sql(lines));
        assert!(message.contains(expected), "{expected}\nnot in\n{message}");
    }
    let secret = complaint(&sql("database = \"postgres://u:hunter2@h/d\"\nstatements = []"));
    assert!(secret.contains("\"postgres\" is not a database that can be used"), "{secret}");
    assert!(!secret.contains("hunter2"), "{secret}");
    let today = complaint(&sql(READ).replace("\"day\"", "\"today\""));
    assert!(today.contains("cannot be an input"), "{today}");
    let seeds = complaint(&format!(
        "{}\nseed = \"a.sql\"\n[actions.\"a.c\"]\nkind = \"sql\"\ninputs = [\"id\"]\n{READ}\n\
         seed = \"b.sql\"\n",
        sql(READ)
    ));
    assert!(seeds.contains("the same database has another seed in actions.\"a.b\""), "{seeds}");
    let http = complaint(&http("url = \"http://h/\"\ndatabase = \"sqlite:a\""));
    assert!(http.contains("database: belongs to kind = \"sql\""), "{http}");
    let demo = complaint(&format!(
        "{SERVER}[actions.\"crm.x\"]\nkind = \"demo_crm\"\nchanges_state = false\nfailures = {{}}\n"
    ));
    assert!(demo.contains("belongs to kind = \"http\" or kind = \"sql\""), "{demo}");
}

#[test]
fn sql_actions_get_safe_defaults() {
    let read = parse(&sql(&format!("{READ}\noutputs = {{ x = \"b\" }}"))).expect("valid");
    let action = &read.actions["a.b"];
    let ConnectorConfig::Sql(details) = &action.connector else { panic!("sql") };
    assert!(!action.changes_state);
    assert_eq!(details.database, PathBuf::from("/etc/frontdoor/a.db"));
    assert_eq!(details.statements[0].sql, "SELECT b FROM c WHERE d = ?1");
    assert_eq!((details.no_rows.as_str(), details.constraint.as_str()), ("not found", "refused"));
    assert_eq!(action.output_names(), ["x"]);
    assert!(read.seeded_databases().is_empty());

    let lines = "database = \"sqlite:~/b.db\"\nseed = \"b.sql\"\n\
        statements = [\"SELECT 1\", \"UPDATE c SET d = :today WHERE e = :id\"]\n\
        refuse = [{ when = \"SELECT 1 WHERE :day < :today\", word = \"past day\" }]\n\
        failures = { \"no rows\" = \"none free\" }";
    let change = parse(&sql(lines)).expect("valid");
    let action = &change.actions["a.b"];
    let ConnectorConfig::Sql(details) = &action.connector else { panic!("sql") };
    assert!(action.changes_state);
    assert_eq!(details.no_rows, "none free");
    assert_eq!(details.refuse[0].word, "past day");
    assert_eq!(details.refuse[0].when.parameters, ["day", "today"]);
    let seeded: Vec<_> = change.seeded_databases().into_iter().collect();
    assert_eq!(seeded, [(Path::new("/home/ops/b.db"), Path::new("/etc/frontdoor/b.sql"))]);
}

#[test]
fn verifications_ask_for_exactly_what_is_checked() {
    let action = "[actions.\"crm.verify_pin\"]\nkind = \"demo_crm\"\nchanges_state = false\n\
                  inputs = [\"account_number\", \"pin\"]\n";
    let message = complaint(&format!(
        "{SERVER}{action}[verifications.v]\naction = \"crm.verify_pn\"\nslots = [\"pin\"]\n"
    ));
    assert!(message.contains("Did you mean `crm.verify_pin`?"), "{message}");
    let message = complaint(&format!(
        "{SERVER}{action}[verifications.v]\naction = \"crm.verify_pin\"\nslots = [\"pin\", \"x\"]\n"
    ));
    assert!(message.contains("\"x\" is not an input"), "{message}");
    assert!(message.contains("\"account_number\", an input of"), "{message}");
}

#[test]
fn templates_keep_doubled_braces() {
    let template = TextTemplate::parse("a {{b}} {c}{d}").expect("parses");
    assert_eq!(template.slots().collect::<Vec<_>>(), ["c", "d"]);
    assert_eq!(template.fill(|name| Some(name.to_uppercase())).as_deref(), Ok("a {b} CD"));
    for bad in ["{", "}", "{}", "{a b}", "x{y"] {
        assert!(TextTemplate::parse(bad).is_err(), "{bad}");
    }
}

#[test]
fn lists_stand_alone_and_only_look_up() {
    let lookup = format!("{}list = \"b\"\n[caller_lookup]\naction = \"a.b\"\n", sql(READ));
    let verification = format!(
        "{}list = \"b\"\n[verifications.v]\naction = \"a.b\"\nslots = [\"id\", \"day\"]\n",
        sql(READ)
    );
    for (text, expected) in [
        (sql(&format!("{READ}\nlist = \"b\"\noutputs = {{ x = \"b\" }}")), "beside outputs"),
        (
            sql("database = \"sqlite:a.db\"\nstatements = [\"DELETE FROM c RETURNING b\"]\n\
                 list = \"b\""),
            "list: belongs to an action that changes something",
        ),
        (sql(&format!("{READ}\nlist = \" \"")), "list: names nothing"),
        (sql(&format!("{READ}\nlist = \"b\"\ntimeout_ms = 5000")), "not between 50 and 3000"),
        (http("url = \"http://h/\"\nlist = \"names\""), "is not a JSON pointer"),
        (lookup, "\"a.b\" gives a list, not a caller's record"),
        (verification, "\"a.b\" gives a list and so checks nothing"),
    ] {
        let message = complaint(&text);
        assert!(message.contains(expected), "{expected}\nnot in\n{message}");
    }
    let config = parse(&sql(&format!("{READ}\nlist = \"b\""))).expect("valid");
    let action = &config.actions["a.b"];
    assert_eq!((action.list.as_deref(), action.timeout_ms), (Some("b"), 1000));
    assert!(action.output_names().is_empty() && !action.changes_state);
    parse(&http("url = \"http://h/\"\nlist = \"\"")).expect("the whole answer is the list");
}

#[test]
fn what_a_record_means_is_checked_against_the_lookup() {
    let lookup = |lines: &str| {
        format!(
            "{SERVER}[actions.\"a.b\"]\nkind = \"demo_crm\"\ninputs = [\"phone\"]\n\
             outputs = [\"kind\", \"tickets\"]\nchanges_state = false\n\
             [caller_lookup]\naction = \"a.b\"\n{lines}\n"
        )
    };
    let sound = "tier = \"kind\"\nopen_tickets = \"tickets\"\n\
                 priority_up = { \" Gold\" = 2, \"Open Ticket\" = 1 }\n\
                 skills = { gold = [\"key accounts\"] }";
    let config = parse(&lookup(sound)).expect("valid");
    let found = config.caller_lookup.expect("callers are looked up");
    assert_eq!(found.priority_up, [("gold".to_owned(), 2), (OPEN_TICKET.to_owned(), 1)].into());
    assert_eq!(found.skills, [("gold".to_owned(), vec!["key accounts".to_owned()])].into());
    for (lines, expected) in [
        ("tier = \"kidn\"", "caller_lookup.tier: \"a.b\" has no output \"kidn\". Did you mean"),
        ("language = \"tongue\"", "Name one of its outputs, or remove the line"),
        ("priority_up = { gold = 1 }", "Add tier = \"...\" with the output that does"),
        ("priority_up = { \"open ticket\" = 1 }", "Add open_tickets = \"...\""),
        ("tier = \"kind\"\npriority_up = { gold = 9 }", "gold: 9 is not between 1 and 8"),
        ("tier = \"kind\"\nskills = { gold = [] }", "gold: names no skills"),
        ("tier = \"kind\"\nskills = { gold = [\"a;b\"] }", "gold: names no skills"),
        ("tier = \"kind\"\nskills = { \" \" = [\"a\"] }", "is no tier"),
    ] {
        let message = complaint(&lookup(lines));
        assert!(message.contains(expected), "{expected}\nnot in\n{message}");
    }
}

#[test]
fn recordings_are_announced_or_asked_for_and_go_no_later_than_their_calls() {
    let consent = |lines: &str| {
        let config = parse(&format!("{SERVER}[recording]\n{lines}\n")).expect("valid");
        (config.recording.consent, config.recording.asks())
    };
    assert_eq!(consent(""), (ConsentConfig::Announced, false));
    assert_eq!(consent("consent = \"asked\""), (ConsentConfig::Asked, true));
    assert!(!consent("enabled = false\nconsent = \"asked\"").1);
    assert_eq!(consent("consent = \"off\""), (ConsentConfig::Off, false));
    let wrong = complaint(&format!("{SERVER}[recording]\nconsent = \"ask\"\n"));
    assert!(wrong.contains("\"ask\" is no way to get it. Write \"announced\""), "{wrong}");

    let kept = |lines: &str| parse(&format!("{SERVER}[records]\n{lines}\n"));
    let records = kept("recording_retention_days = 30").expect("valid").records;
    assert_eq!((records.retention_days, records.recording_retention_days), (None, Some(30)));
    let late = complaint(&format!(
        "{SERVER}[records]\nretention_days = 10\nrecording_retention_days = 30\n"
    ));
    assert!(late.contains("recordings go with their calls, after 10 days"), "{late}");
}

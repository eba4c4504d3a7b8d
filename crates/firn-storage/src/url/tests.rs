use super::*;

fn parse(text: &str) -> ObjectUrl {
    ObjectUrl::parse(text).unwrap()
}

#[test]
fn each_form_keeps_its_meaning() {
    let table = [
        ("data/a.nc", "file", "data/a.nc"),
        ("./a:b", "file", "./a:b"),
        ("/data/a b%20.nc", "file", "/data/a b%20.nc"),
        ("file:///data/a%20b.nc", "file", "/data/a b.nc"),
        ("https://host:8080/a/b.nc#mode=bytes", "https", "https://host:8080/a/b.nc"),
        ("s3://bucket/a/b/", "s3", "s3://bucket/a/b"),
        ("s3://bucket", "s3", "s3://bucket"),
        ("lab:sst/monthly", "location", "lab:sst/monthly"),
        ("lab:", "location", "lab:"),
    ];
    for (text, scheme, shown) in table {
        let url = parse(text);
        assert_eq!((url.scheme(), url.to_string().as_str()), (scheme, shown), "{text}");
    }
}

#[test]
fn secrets_are_refused_or_not_shown() {
    for text in ["https://user:pw@host/a", "https://token@host/a", "s3://AKIA:secret@bucket/key"] {
        let error = ObjectUrl::parse(text).unwrap_err();
        assert!(matches!(error, StorageError::BadUrl { .. }), "{text}");
        assert!(!error.to_string().contains("pw") && !error.to_string().contains("secret"), "{error}");
    }
    let signed = parse("https://host/a.nc?X-Amz-Signature=abc");
    assert!(!format!("{signed} {signed:?} {:?}", signed.at()).contains("abc"));
    assert!(!signed.is_durable() && parse("https://host/a.nc").is_durable());
    assert!(signed.child("b").is_err());
}

#[test]
fn what_firn_does_not_open_is_said_precisely() {
    for text in ["abfs://c/a", "s3a://bucket/a", "ftps://host/a", "scp://h/a"] {
        assert!(matches!(ObjectUrl::parse(text), Err(StorageError::Unsupported { .. })), "{text}");
    }
    for text in [
        "",
        "http:/host/a",
        "s3:bucket",
        "s3://",
        "file:a",
        "file://host/a",
        "-remote:a",
        "(x):a",
        "a\nb",
        "s3://b/../a",
    ] {
        assert!(matches!(ObjectUrl::parse(text), Err(StorageError::BadUrl { .. })), "{text:?}");
    }
    assert!(matches!(ObjectUrl::parse("lab:../x"), Err(StorageError::BadKey { .. })));
}

#[test]
fn children_and_parents_are_inverse() {
    for text in ["/data/x", "https://host/x", "s3://bucket/x", "lab:x"] {
        let child = parse(text).child("a/b").unwrap();
        assert_eq!(child.file_name(), "b");
        assert_eq!(child.key_below(&parse(text)), Some("a/b".to_owned()), "{text}");
        let up = child.parent().unwrap().parent().unwrap();
        assert_eq!(up.to_string().trim_end_matches('/'), text);
    }
    assert_eq!(parse("https://host/d/").child("a b+ü%41").unwrap().to_string(), "https://host/d/a%20b+%C3%BC%2541");
    assert_eq!(parse("https://host/d/a%20b%2541").key_below(&parse("https://host/d")), Some("a b%41".to_owned()));
    assert_eq!(parse("s3://bucket").parent(), None);
    assert_eq!(parse("a.nc").parent(), Some(ObjectUrl::local(".")));
}

#[test]
fn a_doubled_slash_at_the_end_of_a_folder_is_part_of_its_name() {
    for text in ["http://host//", "http://host/a//", "http://host/a//b//"] {
        let folder = parse(text);
        assert_eq!(folder.child("a%2fb").unwrap().key_below(&folder), Some("a%2fb".to_owned()), "{text}");
    }
}

#[test]
fn a_file_url_names_a_path_that_reads_back_the_same() {
    for text in ["file:///data/a%19c", "file:///data/a%00", "file:///data/a%0Ab", "file:///data/%FF"] {
        assert!(matches!(ObjectUrl::parse(text), Err(StorageError::BadUrl { .. })), "{text}");
    }
    let odd = parse("file:///data/a%20b%23%25%3F%7B%C3%A9.nc");
    assert_eq!(odd, parse("/data/a b#%?{é.nc"));
    assert_eq!(parse(&odd.to_string()), odd);
}

#[test]
fn an_address_has_one_absolute_form() {
    let here = std::env::current_dir().unwrap();
    for text in ["sub/o.icechunk", "./sub/o.icechunk", "sub/../sub/o.icechunk", "sub//o.icechunk/"] {
        assert_eq!(parse(text).absolute().unwrap(), ObjectUrl::local(here.join("sub/o.icechunk")), "{text}");
    }
    for text in ["https://host/a/../b", "s3://bucket/a", "lab:a"] {
        assert_eq!(parse(text).absolute().unwrap(), parse(text));
    }
}

#[test]
fn another_host_or_a_longer_name_is_not_below() {
    assert_eq!(parse("s3://bucket/ab").key_below(&parse("s3://bucket/a")), None);
    assert_eq!(parse("https://host:1/a/b").key_below(&parse("https://host:2/a")), None);
    assert_eq!(parse("https://host/a").key_below(&parse("https://host/a/")), Some(String::new()));
    assert_eq!(parse("s3://other/a/b").key_below(&parse("s3://bucket/a")), None);
}

proptest::proptest! {
    #[test]
    fn no_text_makes_parsing_panic(text in ".{0,40}") {
        if let Ok(url) = ObjectUrl::parse(&text) {
            let _ = (url.to_string(), url.parent(), url.file_name(), url.child("a"), url.key_below(&url));
        }
    }

    #[test]
    fn a_parsed_address_reads_back_the_same(text in "(s3://[a-z]{3,9}|lab:|/|https://h)(/[a-z0-9 +%ü]{1,6}){0,3}") {
        if let Ok(url) = ObjectUrl::parse(&text) {
            proptest::prop_assert_eq!(ObjectUrl::parse(&url.to_string()).unwrap(), url);
        }
    }
}

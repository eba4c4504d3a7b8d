//! `--help` is a contract too.

use crate::golden::{assert_golden, kept};
use crate::run::firn;
use firn::cli::command;

/// Every verb, also those with two words; and whether it is hidden.
fn verbs() -> Vec<(Vec<String>, bool)> {
    let mut verbs = Vec::new();
    for verb in command().get_subcommands() {
        verbs.push((vec![verb.get_name().to_owned()], verb.is_hide_set()));
        for second in verb.get_subcommands() {
            let words = vec![verb.get_name().to_owned(), second.get_name().to_owned()];
            verbs.push((words, verb.is_hide_set() || second.is_hide_set()));
        }
    }
    verbs
}

#[test]
fn help_of_every_visible_verb_is_as_kept() {
    assert_golden("help/firn.txt", &firn(&["--help"]).stdout);
    let mut names = vec!["firn.txt".to_owned()];
    for (words, _) in verbs().into_iter().filter(|(_, hidden)| !hidden) {
        let mut all: Vec<&str> = words.iter().map(String::as_str).collect();
        all.push("--help");
        let answer = firn(&all);
        assert_eq!((answer.status, answer.stderr.as_str()), (0, ""), "{words:?}");
        assert!(answer.stdout.contains("Example"), "{words:?} has no example");
        let name = format!("{}.txt", words.join("-"));
        assert_golden(&format!("help/{name}"), &answer.stdout);
        names.push(name);
    }
    let kept: Vec<String> =
        kept("help").iter().map(|path| path.file_name().unwrap().to_string_lossy().into_owned()).collect();
    names.sort();
    assert_eq!(kept, names, "help of a verb that is not there any more");
}

#[test]
fn verbs_of_later_versions_are_declared_hidden_and_unsupported() {
    let expected = "update log diff tag rollback sizes expire delete restore plot";
    let hidden: Vec<String> = verbs()
        .into_iter()
        .filter(|(words, hidden)| *hidden && words.len() == 1)
        .map(|(words, _)| words[0].clone())
        .collect();
    assert_eq!(hidden, expected.split_whitespace().collect::<Vec<_>>());
    let help = firn(&["--help"]).stdout;
    for (words, _) in verbs().into_iter().filter(|(_, hidden)| *hidden) {
        assert!(words.len() > 1 || !help.contains(&format!("\n  {} ", words[0])), "{words:?} is shown");
        let mut all: Vec<&str> = words.iter().map(String::as_str).collect();
        all.extend(["-o", "json"]);
        let answer = firn(&all);
        assert_eq!(answer.status, 7, "{words:?}: {answer:#?}");
        let object = answer.json();
        assert_eq!(object["error"]["code"], "verb-unsupported", "{words:?}");
        assert_eq!(object["schema"], format!("firn/{}/1", words.join("-")), "{words:?}");
    }
}

#[test]
fn flags_of_later_verbs_are_declared() {
    for line in [
        "push A --token T",
        "plot STORE VAR --time 2000-01-01 --out FILE.png",
        "catalog search words --catalog URL",
        "catalog fix --write",
        "catalog export --format leap",
    ] {
        let answer = firn(&line.split_whitespace().collect::<Vec<_>>());
        assert_eq!(answer.status, 7, "{line}: {answer:#?}");
    }
}

#[test]
fn the_list_of_verbs_for_usage_errors_is_that_of_the_command_line() {
    let declared: Vec<String> = command().get_subcommands().map(|verb| verb.get_name().to_owned()).collect();
    let listed: Vec<String> = firn::cli::VERBS.iter().map(|(verb, _)| (*verb).to_owned()).collect();
    assert_eq!(declared, listed);
    for verb in command().get_subcommands() {
        let (_, seconds) = firn::cli::VERBS.iter().find(|(name, _)| *name == verb.get_name()).unwrap();
        let declared: Vec<&str> = verb.get_subcommands().map(clap::Command::get_name).collect();
        assert_eq!(&declared, seconds, "{}", verb.get_name());
    }
}

use super::*;
use std::fs;

const USER: &str =
    "memory = '1GiB'\njobs = 1\ncatalog = 'user'\n[locations.a]\nurl = '/user/a'\n[locations.b]\nurl = '/user/b'\n";
const PROJECT: &str = "memory = '2GiB'\njobs = 2\n[locations.a]\nurl = '/project/a'\nrole = 'published'\n";

struct Home(tempfile::TempDir);

impl Home {
    fn new(project: Option<&str>, user: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        if let Some(text) = project {
            fs::write(folder.path().join("firn.toml"), text).unwrap();
        }
        if let Some(text) = user {
            fs::create_dir_all(folder.path().join("config/firn")).unwrap();
            fs::write(folder.path().join("config/firn/config.toml"), text).unwrap();
        }
        Self(folder)
    }

    fn read(&self, flags: &Flags, variables: &[(&str, &str)]) -> Result<Settings, FirnError> {
        let config = self.0.path().join("config").to_string_lossy().into_owned();
        let mut all = vec![("XDG_CONFIG_HOME", config.as_str()), ("HOME", "/users/someone")];
        all.extend(variables);
        Settings::read(flags, &Environment::of(self.0.path(), &all))
    }
}

#[test]
fn a_flag_wins_over_the_environment_over_the_project_over_the_user() {
    let home = Home::new(Some(PROJECT), Some(USER));
    let flags = Flags { memory: Some(Size::Bytes(4 << 30)), ..Flags::default() };
    let settings = home.read(&flags, &[("FIRN_MEMORY", "3GiB"), ("FIRN_CATALOG", "environment")]).unwrap();
    assert_eq!(settings.memory, Setting { value: 4 << 30, origin: Origin::Flag("--memory") });
    assert_eq!(settings.catalog.origin, Origin::Variable("FIRN_CATALOG"));
    let project = home.0.path().join("firn.toml");
    assert_eq!(settings.jobs, Setting { value: 2, origin: Origin::File { path: project, line: 2 } });

    let settings = home.read(&Flags::default(), &[("FIRN_MEMORY", "3GiB")]).unwrap();
    assert_eq!(settings.memory, Setting { value: 3 << 30, origin: Origin::Variable("FIRN_MEMORY") });
    assert_eq!(settings.catalog.value.as_deref(), Some("user"));
}

#[test]
fn a_location_of_the_project_replaces_the_user_s_of_the_same_name_whole() {
    let settings = Home::new(Some(PROJECT), Some(USER)).read(&Flags::default(), &[]).unwrap();
    assert_eq!(settings.locations["a"].value.url, "/project/a");
    assert_eq!(settings.locations["b"].value.url, "/user/b");
}

#[test]
fn without_any_file_there_are_defaults() {
    let home = Home::new(None, None);
    let settings = home.read(&Flags::default(), &[]).unwrap();
    assert_eq!(settings.memory.origin, Origin::Default);
    assert_eq!(settings.memory.value, machine::memory() / 4);
    assert_eq!(settings.jobs.value, machine::cores());
    assert_eq!(settings.state_dir.value, PathBuf::from("/users/someone/.local/state/firn"));
    assert!(settings.files.iter().all(|(_, there)| !there));
}

#[test]
fn an_empty_variable_counts_as_unset_and_a_wrong_one_is_an_error() {
    let home = Home::new(None, None);
    assert_eq!(home.read(&Flags::default(), &[("FIRN_JOBS", "")]).unwrap().jobs.origin, Origin::Default);
    let error = home.read(&Flags::default(), &[("FIRN_JOBS", "0")]).unwrap_err();
    assert!(
        matches!(error, FirnError::EnvironmentInvalid { ref variable, .. } if variable == "FIRN_JOBS"),
        "{error:?}"
    );
}

#[test]
fn the_findings_of_both_files_come_together() {
    let home = Home::new(Some("a = 1\n"), Some("b = 1\n"));
    match home.read(&Flags::default(), &[]) {
        Err(FirnError::ConfigInvalid { findings }) => assert_eq!(findings.len(), 2),
        other => panic!("{other:?}"),
    }
}

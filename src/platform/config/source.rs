//! Where the text of each setting comes from: its own name, an alias, or for a secret a file named by `…_FILE`.
//! More than one of them at once is refused, and so is a name that looks like ours and is none.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use zeroize::Zeroizing;

use super::values::Parsed;
use super::variable::{Kind, Variable, injected_by_kubernetes, nearest};

/// Why the service can't start with these settings: one line that names the variable and shows no value.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("{variable}: {problem}")]
pub struct ConfigError {
    variable: String,
    problem: Cow<'static, str>,
}

impl ConfigError {
    /// `problem` goes to the operator as it is: one line, what is accepted, no value.
    pub fn new(variable: impl Into<String>, problem: impl Into<Cow<'static, str>>) -> Self {
        Self {
            variable: variable.into(),
            problem: problem.into(),
        }
    }

    /// The name of the variable that is wrong or missing.
    #[must_use]
    pub fn variable(&self) -> &str {
        &self.variable
    }
}

/// Reads a file as a text.
pub(super) type ReadFile<'a> = &'a dyn Fn(&Path) -> io::Result<String>;

/// The name that a setting was given by, and its text.
struct Given {
    form: String,
    text: Zeroizing<String>,
}

/// The texts of the settings that were given, by the main name of each.
pub(super) struct Source(BTreeMap<&'static str, Given>);

impl Source {
    /// Finds what is given for each of `variables`. An empty text is as good as none, but for a secret.
    pub(super) fn collect(
        variables: &'static [Variable],
        vars: impl IntoIterator<Item = (String, String)>,
        read_file: ReadFile<'_>,
    ) -> Result<Self, ConfigError> {
        let vars: BTreeMap<String, Zeroizing<String>> = vars
            .into_iter()
            .map(|(name, text)| (name, Zeroizing::new(text)))
            .collect();
        refuse_unknown(variables, &vars)?;
        let mut found = BTreeMap::new();
        for variable in variables {
            if let Some(given) = given(variable, &vars, read_file)? {
                found.insert(variable.name, given);
            }
        }
        Ok(Self(found))
    }

    /// The value of the setting `name`, from what was given or from its default.
    pub(super) fn value<T>(
        &self,
        name: &str,
        default: &str,
        parse: impl Fn(&str) -> Parsed<T>,
    ) -> Result<T, ConfigError> {
        let (form, text) = match self.0.get(name) {
            Some(given) => (given.form.as_str(), given.text.as_str()),
            None => (name, default),
        };
        parse(text).map_err(|accepts| ConfigError::new(form, format!("expected {accepts}")))
    }
}

fn refuse_unknown(
    variables: &[Variable],
    vars: &BTreeMap<String, Zeroizing<String>>,
) -> Result<(), ConfigError> {
    let unknown = |(name, text): &(&String, &Zeroizing<String>)| {
        name.starts_with("ROSTERD_")
            && !variables.iter().any(|variable| variable.has_form(name))
            && !injected_by_kubernetes(name, text)
    };
    match vars.iter().find(unknown) {
        None => Ok(()),
        Some((name, _)) => {
            let nearest = nearest(name, variables);
            Err(ConfigError::new(
                name.escape_debug().to_string(),
                format!("no setting has this name; the nearest is {nearest}"),
            ))
        }
    }
}

fn given(
    variable: &Variable,
    vars: &BTreeMap<String, Zeroizing<String>>,
    read_file: ReadFile<'_>,
) -> Result<Option<Given>, ConfigError> {
    let secret = variable.kind == Kind::Secret;
    let mut set = variable
        .forms()
        .filter_map(|form| Some((vars.get(&form)?, form)))
        .filter(|(text, _)| secret || !text.trim().is_empty());
    let Some((text, form)) = set.next() else {
        return Ok(None);
    };
    if let Some((_, other)) = set.next() {
        return Err(ConfigError::new(
            form,
            format!("is set and {other} too; keep one of them"),
        ));
    }
    // A secret that got lost on its way must not pass for one that was never meant: without DATABASE_URL
    // the service would start on an empty database of its own.
    if text.is_empty() {
        return Err(ConfigError::new(
            form,
            "is set and empty; give it or leave it out",
        ));
    }
    let text = match variable.kind {
        Kind::Plain => Zeroizing::new(text.trim().to_owned()),
        Kind::Secret if variable.is_file_form(&form) => from_file(&form, text, read_file)?,
        Kind::Secret => text.clone(),
    };
    Ok(Some(Given { form, text }))
}

fn from_file(
    form: &str,
    path: &str,
    read_file: ReadFile<'_>,
) -> Result<Zeroizing<String>, ConfigError> {
    let content = read_file(Path::new(path))
        .map(Zeroizing::new)
        .map_err(|e| ConfigError::new(form, format!("the file can't be read: {}", e.kind())))?;
    let text = content.trim_end_matches(['\r', '\n']);
    if text.is_empty() {
        return Err(ConfigError::new(form, "the file is empty"));
    }
    Ok(Zeroizing::new(text.to_owned()))
}

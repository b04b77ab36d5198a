//! Configuration, by distribution's variables.

/// What the environment says.
#[derive(Debug, Default)]
pub struct Config {
    /// `REGISTRY_HTTP_SECRET`: what signs `_state`. Without it, a secret is made once and kept in
    /// storage.
    pub http_secret: Option<String>,
}

impl Config {
    /// Reads the variables of an environment. An empty one counts as not set.
    pub fn from_environment(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut config = Self::default();
        for (name, value) in variables {
            if name == "REGISTRY_HTTP_SECRET" && !value.is_empty() {
                config.http_secret = Some(value);
            }
        }
        config
    }
}

//! The rules of who may do what.

use notrace_sdk_wire::Version;
use notrace_sdk_wire::path::RULES;
use notrace_sdk_wire::rules::Rules;
use reqwest::Method;
use reqwest::header::IF_MATCH;

use crate::call::Call;
use crate::client::Client;
use crate::deed::Deed;
use crate::error::Error;
use crate::source::Source;

impl Client {
    /// The rules in force, or those at `version`.
    /// # Errors  `not_permitted`; `object_unknown` for a version at which there were none.
    pub async fn rules(&self, version: Option<Version>) -> Result<Rules, Error> {
        let path = version.map_or(RULES.to_owned(), |version| format!("{RULES}?version={version}"));
        self.ask(&Call::get(path)).await
    }

    /// Puts rules in force, if those that are have this version where one is given.
    /// # Errors  `not_permitted`, `rules_malformed`, `version_mismatch`.
    /// # Cancel  They may be in force all the same.
    pub async fn rules_push(&self, text: &str, over: Option<Version>) -> Result<Rules, Error> {
        let deed = if over.is_some() { Deed::PushRulesOver } else { Deed::PushRules };
        let mut call = Call::to(deed, Method::PUT, RULES)?;
        if let Some(over) = over {
            call = call.with(IF_MATCH.as_str(), &over.to_etag())?;
        }
        self.ask(&call.body(Source::bytes(text.as_bytes().to_vec()), "text/plain")).await
    }
}

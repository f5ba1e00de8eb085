//! Toasts: text and at most one link, shown to people. They are checked when they are published.

use serde::{Deserialize, Serialize};

use crate::task::{TaskId, is_step_id};

/// The level of a toast.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// Information.
    Info,
    /// Something succeeded.
    Success,
    /// Something needs attention.
    Warning,
    /// Something failed.
    Error,
}

/// The link of a toast.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// The link's text.
    pub label: String,
    /// An `http` or `https` address, or a path of the page's own origin.
    pub href: String,
}

/// A toast: plain text, never markup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Toast {
    /// Its level.
    pub level: Level,
    /// One line.
    pub title: String,
    /// A longer text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
    /// A link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<Action>,
    /// The workflow's question that its buttons answer; the toast stays until somebody has answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decision: Option<ApprovalRef>,
}

/// The question that a toast's buttons answer: `POST /api/tasks/{task}/steps/{step}`.
///
/// It names a step and never an address: a publisher must not choose the requests that people send.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ApprovalRef {
    /// The workflow's run.
    pub task: TaskId,
    /// The step's id.
    pub step: String,
}

const MAX_TITLE_CHARS: usize = 200;
const MAX_BODY_CHARS: usize = 2000;
const MAX_HREF_BYTES: usize = 2000;

impl Toast {
    /// A toast of a title alone.
    pub fn new(level: Level, title: impl Into<String>) -> Self {
        Self { level, title: title.into(), body: None, action: None, decision: None }
    }

    /// Checks it; the error names the field.
    pub fn check(&self) -> Result<(), String> {
        let title = self.title.chars().count();
        if self.title.trim().is_empty() || title > MAX_TITLE_CHARS {
            return Err(format!("data.toast.title must have 1 to {MAX_TITLE_CHARS} characters"));
        }
        if self.body.as_ref().is_some_and(|body| body.chars().count() > MAX_BODY_CHARS) {
            return Err(format!("data.toast.body may have {MAX_BODY_CHARS} characters at most"));
        }
        if self.decision.as_ref().is_some_and(|asked| !is_step_id(&asked.step)) {
            return Err("data.toast.decision.step must have 1 to 64 of a-z, 0-9, '_' and '-'".to_owned());
        }
        let Some(action) = &self.action else {
            return Ok(());
        };
        let label = action.label.chars().count();
        if action.label.trim().is_empty() || label > MAX_TITLE_CHARS {
            return Err(format!("data.toast.action.label must have 1 to {MAX_TITLE_CHARS} characters"));
        }
        if !is_safe_href(&action.href) {
            return Err(
                "data.toast.action.href must be an http(s) address or a path that begins with one '/'".to_owned()
            );
        }
        Ok(())
    }
}

/// True if a link is safe to show on any page: `http(s)://…` or a path of the page's own origin.
///
/// Browsers drop tabs and line ends inside an address and read `\` as `/`, so a text with any of them is refused.
pub fn is_safe_href(href: &str) -> bool {
    if href.len() > MAX_HREF_BYTES || href.contains('\\') || href.chars().any(char::is_control) {
        return false;
    }
    if href.starts_with('/') {
        return !href.starts_with("//");
    }
    url::Url::parse(href).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.host().is_some())
        && !href.starts_with(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_is_http_or_a_path_of_ones_own_origin() {
        for good in ["/", "/api/files/a", "https://example.org/x?y#z", "http://localhost:8080/"] {
            assert!(is_safe_href(good), "{good}");
        }
        for bad in [
            "",
            "javascript:alert(1)",
            "JaVaScRiPt:alert(1)",
            " javascript:alert(1)",
            "java\tscript:alert(1)",
            "data:text/html,x",
            "//evil.example",
            "/\\evil.example",
            "/\t/evil.example",
            "vbscript:x",
            "http:",
            "file:///etc/passwd",
            "relative",
            "https:\\\\evil.example",
        ] {
            assert!(!is_safe_href(bad), "{bad:?}");
        }
    }

    #[test]
    fn a_toast_without_a_title_names_the_field() {
        let error = Toast::new(Level::Info, "  ").check().unwrap_err();
        assert!(error.contains("data.toast.title"), "{error}");
    }

    #[test]
    fn buttons_answer_a_step_and_nothing_that_only_looks_like_a_path() {
        let asked = |step: &str| {
            let decision = Some(ApprovalRef { task: TaskId::new(), step: step.to_owned() });
            Toast { decision, ..Toast::new(Level::Info, "Publish?") }
        };
        assert_eq!(asked("ask-finance_2").check(), Ok(()));
        for bad in ["", "../x", "a/b", "A", "a b", &"a".repeat(65)] {
            assert!(asked(bad).check().unwrap_err().contains("data.toast.decision.step"), "{bad:?}");
        }
    }

    #[test]
    fn markup_is_a_text_like_any_other() {
        assert_eq!(Toast::new(Level::Info, "<img src=x onerror=alert(1)>").check(), Ok(()));
    }
}

//! Evaluation of jsonnet in this process.

use std::path::Path;

use anyhow::bail;
use rsjsonnet_front::Session;
use rsjsonnet_lang::arena::Arena;

/// The value of `expr` as JSON text; imports are relative to `root`.
///
/// # Errors
/// An expression that does not evaluate; the evaluator has then written where and why to stderr.
pub(super) fn evaluate(root: &Path, expr: &str) -> anyhow::Result<String> {
    let arena = Arena::new();
    let mut session = Session::new(&arena);
    session.add_search_path(root.to_path_buf());
    let json = session
        .load_virt_file("<render>", expr.as_bytes().to_vec())
        .and_then(|thunk| session.eval_value(&thunk))
        .and_then(|value| session.manifest_json(&value, true));
    match json {
        Some(json) => Ok(json),
        None => bail!("the jsonnet sources do not evaluate (see above)"),
    }
}

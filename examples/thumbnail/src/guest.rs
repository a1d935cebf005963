//! The task: the picture is the granted object, or the input where none was granted; the width is
//! the argument.

use crate::picture::{WIDTH, thumbnail, width};

wit_bindgen::generate!({ path: "../../sdk/wit/task.wit", world: "task" });

struct Thumbnail;

impl Guest for Thumbnail {
    fn run(input: Vec<u8>) -> Result<Vec<u8>, String> {
        let width = match notrace::task::call::args().first() {
            Some(argument) => width(argument.as_bytes()).map_err(|refusal| refusal.to_string())?,
            None => WIDTH,
        };
        let picture = match notrace::task::objects::list("").first() {
            Some(name) => {
                drop(input);
                notrace::task::objects::get(name).map_err(|_| "the object cannot be read")?
            }
            None => input,
        };
        thumbnail(&picture, width).map_err(|refusal| refusal.to_string())
    }
}

export!(Thumbnail);

//! What one object is, one call after another: the specification that histories are held against.

use std::cell::Cell;
use std::rc::Rc;

use stateright::semantics::SequentialSpec;

use crate::history::{Op, Ret, Value};

/// An object: a value or none. It counts its steps, so that a search over it has an end.
#[derive(Clone, Debug)]
pub struct Object {
    value: Option<Value>,
    left: Rc<Cell<u64>>,
}

impl Object {
    /// An object that a search may step `left` times.
    #[must_use]
    pub fn new(value: Option<Value>, left: &Rc<Cell<u64>>) -> Self {
        Self { value, left: Rc::clone(left) }
    }
}

impl SequentialSpec for Object {
    type Op = Op;
    type Ret = Ret;

    fn invoke(&mut self, op: &Op) -> Ret {
        match *op {
            Op::Get => Ret::Value(self.value),
            Op::Put(value) => {
                self.value = Some(value);
                Ret::Done
            }
            Op::PutIf(expected, value) if self.value == Some(expected) => {
                self.value = Some(value);
                Ret::Done
            }
            Op::PutIfAbsent(value) if self.value.is_none() => {
                self.value = Some(value);
                Ret::Done
            }
            Op::PutIf(..) | Op::PutIfAbsent(_) => Ret::Mismatch,
            Op::Delete => self.value.take().map_or(Ret::Absent, |_| Ret::Done),
        }
    }

    fn is_valid_step(&mut self, op: &Op, ret: &Ret) -> bool {
        let left = self.left.get();
        self.left.set(left.saturating_sub(1));
        // Beyond the bound every order is refused, and whoever asked sees that there is none left.
        left > 0 && self.invoke(op) == *ret
    }
}

#[cfg(test)]
mod an_object {
    use super::*;

    #[test]
    fn does_what_the_interface_says() {
        let [one, two] = [1, 2].map(|number| Value { number, size_bytes: 8 });
        let mut object = Object::new(None, &Rc::new(Cell::new(100)));
        for (op, ret) in [
            (Op::Get, Ret::Value(None)),
            (Op::Delete, Ret::Absent),
            (Op::PutIf(one, two), Ret::Mismatch),
            (Op::PutIfAbsent(one), Ret::Done),
            (Op::PutIfAbsent(two), Ret::Mismatch),
            (Op::PutIf(one, two), Ret::Done),
            (Op::Get, Ret::Value(Some(two))),
            (Op::Delete, Ret::Done),
            (Op::Get, Ret::Value(None)),
            (Op::Put(one), Ret::Done),
        ] {
            assert!(object.is_valid_step(&op, &ret), "{op:?} {ret:?}");
        }
        assert!(!object.is_valid_step(&Op::Get, &Ret::Value(None)));
    }

    #[test]
    fn refuses_all_once_its_steps_are_used_up() {
        let mut object = Object::new(None, &Rc::new(Cell::new(1)));
        assert!(object.is_valid_step(&Op::Get, &Ret::Value(None)));
        assert!(!object.is_valid_step(&Op::Get, &Ret::Value(None)));
    }
}

//! The manifests as they are applied: what a kustomization lists, with its patches.

use anyhow::{Context as _, Result, bail, ensure};
use serde::Deserialize;
use serde_json::Value;

use crate::{files, yaml};

/// The folder with the manifests, from the repository's root.
const FOLDER: &str = "deploy/kubernetes";

/// Which of the two kustomizations.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Stage {
    /// What stands for good.
    Standing,
    /// What is created once.
    Founding,
}

/// Objects that are applied together.
#[derive(Clone)]
pub struct Bundle {
    /// Which they are.
    pub stage: Stage,
    /// In the order of the files that hold them.
    pub objects: Vec<Value>,
}

/// What we use of a kustomization; anything else is refused, since nobody here would apply it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Kustomization {
    api_version: String,
    kind: String,
    resources: Vec<String>,
    #[serde(default)]
    images: Vec<Image>,
    #[serde(default)]
    patches: Vec<Patch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "camelCase")]
struct Image {
    name: String,
    new_name: String,
    new_tag: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Patch {
    path: String,
    target: Target,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Target {
    kind: String,
    name: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Operation {
    op: String,
    path: String,
    value: Value,
}

impl Bundle {
    /// The manifests of `stage`.
    ///
    /// # Errors  A file is missing, is not listed, or says what we do not understand.
    pub fn read(stage: Stage) -> Result<Self> {
        let standing = kustomization("standing")?;
        let listed = files::names(&format!("{FOLDER}/standing"))?;
        for name in listed.iter().filter(|name| *name != "kustomization.yaml") {
            ensure!(standing.resources.contains(name), "standing/{name} is not listed");
        }
        let mut objects = Vec::new();
        for name in &standing.resources {
            objects.extend(yaml::documents(&files::read(&format!("{FOLDER}/standing/{name}"))?)?);
        }
        for image in &standing.images {
            objects.iter_mut().for_each(|object| image.replace(object));
        }
        ensure!(standing.patches.is_empty(), "what stands for good is not patched");
        let mut bundle = Self { stage, objects };
        if stage == Stage::Founding {
            bundle.found()?;
        }
        Ok(bundle)
    }

    fn found(&mut self) -> Result<()> {
        let founding = kustomization("founding")?;
        ensure!(founding.resources == ["../standing"], "founding builds on what stands");
        for patch in &founding.patches {
            let text = files::read(&format!("{FOLDER}/founding/{}", patch.path))?;
            let [operations] = &yaml::documents(&text)?[..] else { bail!("one document a patch") };
            let object = self.object_mut(&patch.target.kind, &patch.target.name)?;
            for operation in Vec::<Operation>::deserialize(operations)? {
                ensure!(operation.op == "replace", "a patch replaces, and does nothing else");
                let place = object.pointer_mut(&operation.path);
                *place.with_context(|| format!("no {}", operation.path))? = operation.value;
            }
        }
        Ok(())
    }

    /// The object of this kind and name.
    ///
    /// # Errors  There is none.
    pub fn object_mut(&mut self, kind: &str, name: &str) -> Result<&mut Value> {
        let text = |object: &Value, at: &str| {
            object.pointer(at).and_then(Value::as_str).unwrap_or_default().to_owned()
        };
        let mut objects = self.objects.iter_mut();
        let found =
            objects.find(|it| text(it, "/kind") == kind && text(it, "/metadata/name") == name);
        found.with_context(|| format!("no {kind} {name}"))
    }
}

impl Image {
    fn replace(&self, object: &mut Value) {
        let containers = object.pointer_mut("/spec/template/spec/containers");
        for container in containers.and_then(Value::as_array_mut).into_iter().flatten() {
            let image = container.get_mut("image");
            if let Some(image) = image.filter(|image| image.as_str() == Some(&self.name)) {
                *image = Value::String(format!("{}:{}", self.new_name, self.new_tag));
            }
        }
    }
}

fn kustomization(folder: &str) -> Result<Kustomization> {
    let documents =
        yaml::documents(&files::read(&format!("{FOLDER}/{folder}/kustomization.yaml"))?)?;
    let [document] = &documents[..] else { bail!("one kustomization a folder") };
    let read = Kustomization::deserialize(document)?;
    ensure!(read.kind == "Kustomization" && read.api_version == "kustomize.config.k8s.io/v1beta1");
    Ok(read)
}

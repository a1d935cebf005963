//! What a machine is made of: a kernel, what it loads first, and a disk with the product.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, ensure};

/// Drivers that Debian's kernel has outside of itself, in the order in which they need each other.
const MODULES: [&str; 9] = [
    "drivers/virtio/virtio",
    "drivers/virtio/virtio_ring",
    "drivers/virtio/virtio_pci_modern_dev",
    "drivers/virtio/virtio_pci_legacy_dev",
    "drivers/virtio/virtio_pci",
    "drivers/block/virtio_blk",
    "net/core/failover",
    "drivers/net/net_failover",
    "drivers/net/virtio_net",
];

/// Loads the drivers and goes over to the disk.
const FIRST: &str = "#!/bin/busybox sh
/bin/busybox mount -t devtmpfs dev /dev
for module in /modules/*.ko; do /bin/busybox insmod $module; done
until [ -b /dev/vda ]; do /bin/busybox sleep 0.1; done
/bin/busybox mount -t ext4 /dev/vda /disk
exec /bin/busybox switch_root /disk /init
";

/// Starts the node, and then does what comes in on the second serial line.
const THEN: &str = "#!/bin/busybox sh
export PATH=/bin
for program in cat cut dd grep kill mkdir mount od sleep stty sync; do
  busybox ln -sf /bin/busybox /bin/$program
done
mount -t devtmpfs dev /dev; mount -t proc proc /proc; mount -t sysfs sys /sys
mkdir -p /dev/shm; mount -t tmpfs shm /dev/shm
for place in /tmp /run; do mount -t tmpfs tmp $place; done
busybox ip link set lo up
busybox ip addr add 10.0.2.15/24 dev eth0
busybox ip link set eth0 up
serve() {
  notrace serve --dir /data/node --listen 0.0.0.0:7443 --config /data/config >> /data/said 2>&1 &
  node=$!
}
serve
stty -F /dev/ttyS1 raw -echo
while read line; do eval \"$line\"; echo \"done $?\"; done < /dev/ttyS1 > /dev/ttyS1 2>&1
";

/// As verbose as a node can be; what it says is on the disk that is searched. A run may last as
/// long as it takes to find its worker.
const CONFIG: &str = "[telemetry]\nevents = true\n[task]\ntimeout_ms_max = 600000\n";

/// What is there to build a machine from.
pub struct Recipe {
    /// Debian's kernel, unpacked: `boot/vmlinuz-*` and `lib/modules/*`.
    pub kernel: PathBuf,
    /// A busybox that needs no libraries.
    pub busybox: PathBuf,
    /// The product.
    pub notrace: PathBuf,
}

/// The files that QEMU starts a machine from.
pub(super) struct Images {
    pub(super) kernel: PathBuf,
    pub(super) first: PathBuf,
    pub(super) disk: PathBuf,
}

impl Recipe {
    /// From what `cargo xtask machine` fetched below `folder`, and the product beside this program.
    ///
    /// # Errors  Something is missing.
    pub fn below(folder: &Path) -> Result<Self> {
        let notrace = notrace_tests_rig::node::binary_named("notrace")?;
        let busybox = folder.join("busybox/bin/busybox");
        ensure!(busybox.exists(), "there is no busybox");
        Ok(Self { kernel: folder.join("kernel"), busybox, notrace })
    }

    /// Builds the images in `folder`.
    ///
    /// # Errors  A file is missing, or no disk can be made.
    pub(super) fn build(&self, folder: &Path) -> Result<Images> {
        let (first, disk) = (folder.join("first"), folder.join("disk"));
        self.first(&first)?;
        let root = folder.join("root");
        self.root(&root)?;
        let made = Command::new("mkfs.ext4")
            .args(["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0", "-d"])
            .args([root.as_path(), &disk, Path::new("256M")])
            .output()
            .context("mkfs.ext4")?;
        ensure!(made.status.success(), "no disk: {}", String::from_utf8_lossy(&made.stderr));
        fs::remove_dir_all(root)?;
        Ok(Images { kernel: only(&self.kernel.join("boot"), "vmlinuz-")?, first, disk })
    }

    fn first(&self, to: &Path) -> Result<()> {
        let modules = only(&self.kernel.join("lib/modules"), "")?.join("kernel");
        let mut archive = Archive(File::create(to)?);
        for folder in ["bin", "dev", "disk", "modules"] {
            archive.add(folder, 0o040_755, &[])?;
        }
        archive.add("bin/busybox", 0o100_755, &fs::read(&self.busybox)?)?;
        for (index, module) in MODULES.iter().enumerate() {
            let bytes = fs::read(modules.join(format!("{module}.ko"))).context(*module)?;
            archive.add(&format!("modules/{index}.ko"), 0o100_644, &bytes)?;
        }
        archive.add("init", 0o100_755, FIRST.as_bytes())?;
        archive.add("TRAILER!!!", 0, &[])
    }

    fn root(&self, root: &Path) -> Result<()> {
        for folder in ["bin", "data", "dev", "etc", "proc", "run", "sys", "tmp"] {
            fs::create_dir_all(root.join(folder))?;
        }
        fs::copy(&self.busybox, root.join("bin/busybox"))?;
        fs::copy(&self.busybox, root.join("bin/sh"))?;
        fs::copy(&self.notrace, root.join("bin/notrace"))?;
        for library in libraries_of(&self.notrace)? {
            let to = root.join(library.strip_prefix("/")?);
            fs::create_dir_all(to.parent().context("a folder")?)?;
            fs::copy(&library, to)?;
        }
        fs::write(root.join("data/config"), CONFIG)?;
        let init = root.join("init");
        fs::write(&init, THEN)?;
        Ok(fs::set_permissions(init, fs::Permissions::from_mode(0o755))?)
    }
}

/// The one entry of a folder whose name begins so.
fn only(folder: &Path, begin: &str) -> Result<PathBuf> {
    let entries = fs::read_dir(folder).with_context(|| folder.display().to_string())?;
    let mut fitting = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begin))
    });
    fitting.next().with_context(|| format!("{} has no {begin}…", folder.display()))
}

fn libraries_of(program: &Path) -> Result<Vec<PathBuf>> {
    let output = Command::new("ldd").arg(program).output().context("ldd")?;
    let text = String::from_utf8(output.stdout)?;
    let words = text.split_whitespace().filter(|word| word.starts_with('/'));
    Ok(words.map(PathBuf::from).collect())
}

/// Files as a kernel unpacks them.
///
/// Source: Linux, Documentation/driver-api/early-userspace/buffer-format.rst ("newc").
struct Archive(File);

impl Archive {
    fn add(&mut self, name: &str, mode: u32, bytes: &[u8]) -> Result<()> {
        let (name_bytes, length) = (name.len() + 1, bytes.len());
        let numbers = [0, mode as usize, 0, 0, 1, 0, length, 0, 0, 0, 0, name_bytes, 0];
        let numbers: String = numbers.iter().map(|number| format!("{number:08x}")).collect();
        let pad = |count: usize| vec![0; count.next_multiple_of(4) - count];
        let head = format!("070701{numbers}{name}\0");
        for part in [head.as_bytes(), &pad(head.len()), bytes, &pad(length)] {
            self.0.write_all(part)?;
        }
        Ok(())
    }
}

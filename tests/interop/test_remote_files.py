"""SFTP and FTP: what every verb does with a folder, it does with one of a server; and servers that are not what they say."""
import os
import signal
import stat
import subprocess
import time

import asyncssh
import pytest
from support.binary import TESTDATA, binary, environment, firn, well_formed_error
from support.ftp import FtpServer
from support.ssh import SshServer
from test_outputs import fits

AIR = TESTDATA / "netcdf4/air.nc"


def lines(answer):
    """What the answer says, after its form was looked at."""
    assert not answer.panicked and not well_formed_error(answer), str(answer)
    return f"{answer.error['what']} {answer.error['next']}"


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    return tmp_path / "root"


@pytest.fixture
def ssh(root, tmp_path):
    server = SshServer(root)
    server.make_home(tmp_path / "home")
    yield server
    server.stop()


@pytest.fixture
def here(tmp_path):
    (tmp_path / "home").mkdir(exist_ok=True)
    (tmp_path / "firn.toml").write_text('state_dir = "state"\n')

    def run(*words, timeout=120, **more):
        env = environment(HOME=tmp_path / "home", USER="me") | {"SSH_AUTH_SOCK": ""} | {k: str(v) for k, v in more.items()}
        answer = firn(*words, env=env, cwd=tmp_path, timeout=timeout)
        assert "PRIVATE KEY" not in answer.stdout + answer.stderr and "hunter2" not in answer.stdout + answer.stderr
        return answer
    run.path = tmp_path
    run.home = tmp_path / "home"
    return run


@pytest.fixture
def ftp(root):
    running = []

    def start(**options):
        running.append(FtpServer(root, **options))
        return running[-1]
    yield start
    for server in running:
        server.stop()


def make_tree(folder):
    names = [f"c/{number}" for number in range(30)] + ["with space.nc", "plus+percent%41.nc", "ümläut/❄.nc", "empty", "-rf"]
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"" if name == "empty" else name.encode() * 50)
    return names


def files_of(folder):
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# ------------------------------------------------------------------ SFTP
def test_trees_go_there_and_come_back(here, ssh, root):
    source = here.path / "src"
    names = make_tree(source)
    (source / "large").write_bytes(os.urandom(1 << 20) * 70)
    assert fits("cp", here("cp", "-r", "src", f"{ssh.at}/lab/x"))["copied"] == len(names) + 1
    assert files_of(root / "lab/x") == files_of(source)
    assert fits("cp", here("cp", "-r", "src", f"{ssh.at}/lab/x"))["copied"] == 0
    assert {entry["key"] for entry in fits("ls", here("ls", "-r", f"{ssh.at}/lab/x"))["entries"]} == {*names, "large"}
    assert fits("du", here("du", f"{ssh.at}/lab"))["objects"] == len(names) + 1
    fits("cp", here("cp", "-r", f"{ssh.at}/lab/x", "back"))
    assert files_of(here.path / "back") == files_of(source)
    (source / "c/7").write_bytes(b"other")
    assert here("check", "src", f"{ssh.at}/lab/x").status == 10
    assert here("cp", "-r", "src", f"{ssh.at}/lab/x").code == "objects-different"
    fits("cp", here("cp", "-r", "--replace", "src", f"{ssh.at}/lab/x"))
    (source / "c/8").unlink()
    fits("sync", here("sync", "--delete", "src", f"{ssh.at}/lab/x"))
    fits("check", here("check", "src", f"{ssh.at}/lab/x"))
    assert files_of(root / "lab/x") == files_of(source)
    fits("cp", here("cp", "-r", f"{ssh.at}/lab/x", f"{ssh.at}/lab/y"))
    assert here("cat", f"{ssh.at}/lab/y/with space.nc", "-o", "text").stdout.startswith("with space.nc")
    fits("rm", here("rm", "-r", "--yes", f"{ssh.at}/lab/x"))
    assert here("ls", f"{ssh.at}/lab/x").status == 4
    # One connection a command, however many files.
    assert len(ssh.connections) <= 16 and set(ssh.users) == {"me"}


def test_a_range_is_read_by_many_requests_in_flight(here, ssh, root):
    data = os.urandom(30 << 20)
    (root / "big").write_bytes(data)
    fits("cp", here("cp", f"{ssh.at}/big", "big"))
    assert (here.path / "big").read_bytes() == data
    assert len(ssh.connections) == 1
    # Servers may give less than they are asked for.
    ssh.on_read = lambda read, file, offset, size: read(file, offset, min(size, 1000 + offset % 7000))
    (here.path / "big").unlink()
    fits("cp", here("cp", f"{ssh.at}/big", "big", "--replace"))
    assert (here.path / "big").read_bytes() == data


@pytest.mark.parametrize("form", ["zarr3", "icechunk"])
def test_stores_are_written_and_verified_there(here, ssh, form):
    target = f"{ssh.at}/{form}"
    fits("transform", here("transform", AIR, "--target", target, "--format", form))
    fits("verify", here("verify", target, "--against", AIR, "--full"))
    assert here("transform", AIR, "--target", target, "--format", form).status == 6


def test_a_location_there_holds_datasets_and_inboxes(here, ssh):
    (here.path / "firn.toml").write_text('state_dir = "state"\n' + "".join(
        f'[locations.{role}]\nurl = "{ssh.at}/{role}"\nrole = "{role}"\n' for role in ("inbox", "published")))
    fits("transform", here("transform", AIR, "--target", "air.zarr"))
    fits("push", here("push", "air.zarr", "--to", "inbox/air", "--seal"))
    fits("inbox-promote", here("inbox", "promote", "inbox/air", "--to", "published/air"))
    fits("verify", here("verify", "published:air", "--against", AIR))
    assert here("rm", "-r", "--yes", "published:air").code == "objects-protected"
    fits("config-check", here("config", "check"))


def test_files_there_are_read_by_ranges(here, ssh, root):
    (root / "air.nc").write_bytes(AIR.read_bytes())
    fits("inspect", here("inspect", f"{ssh.at}/air.nc"))
    fits("verify", here("verify", f"{ssh.at}/air.nc"))
    fits("transform", here("transform", f"{ssh.at}/*.nc", "--target", "air.zarr"))
    fits("verify", here("verify", "air.zarr", "--against", f"{ssh.at}/air.nc"))
    fits("inspect", here("inspect", f"{ssh.at}/~/air.nc"))


def test_a_killed_copy_leaves_nothing_that_is_seen_and_goes_on(here, ssh, root):
    source = here.path / "src"
    source.mkdir()
    for number in range(40):
        (source / str(number)).write_bytes(os.urandom(1 << 20))
    env = environment(HOME=here.home, USER="me") | {"SSH_AUTH_SOCK": ""}
    for moment in (0.05, 0.15, 0.3):
        running = subprocess.Popen([binary(), "cp", "-r", "src", f"{ssh.at}/x", "--bwlimit", "40MB"], env=env, cwd=here.path,
                                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(moment)
        running.send_signal(signal.SIGKILL)
        running.wait()
        for entry in fits("ls", here("ls", "-r", f"{ssh.at}/x"))["entries"] if (root / "x").exists() and any(
                not p.name.startswith(".firn-tmp-") for p in (root / "x").iterdir()) else []:
            assert (root / "x" / entry["key"]).read_bytes() == (source / entry["key"]).read_bytes()
    fits("cp", here("cp", "-r", "src", f"{ssh.at}/x"))
    fits("check", here("check", "src", f"{ssh.at}/x"))


def test_a_lost_connection_is_made_again(here, ssh, root):
    (root / "big").write_bytes(os.urandom(40 << 20))
    times = []

    def read(read, file, offset, size):
        if offset > 10 << 20 and not times:
            times.append(offset)
            ssh.hang_up()
        return read(file, offset, size)
    ssh.on_read = read
    fits("cp", here("cp", f"{ssh.at}/big", "big"))
    assert (here.path / "big").read_bytes() == (root / "big").read_bytes()
    assert times and len(ssh.connections) >= 2


def test_links_are_left_alone_and_never_written_through(here, ssh, root):
    outside = here.path / "outside"
    outside.mkdir()
    (outside / "secret").write_text("hunter2")
    (root / "x").mkdir()
    (root / "x/file").write_text("1")
    (root / "x/link").symlink_to("/outside")
    (root / "x/passwd").symlink_to("/etc/passwd")
    entries = fits("ls", here("ls", "-r", f"{ssh.at}/x"))["entries"]
    assert [entry["key"] for entry in entries if entry["kind"] == "object"] == ["file"]
    (root / "elsewhere").mkdir()
    (root / "y").mkdir()
    (root / "y/sub").symlink_to("../elsewhere")
    (here.path / "src/sub").mkdir(parents=True)
    (here.path / "src/sub/a").write_text("a")
    answer = here("cp", "-r", "src", f"{ssh.at}/y")
    assert answer.status != 0 and "symbolic link" in answer.stdout, str(answer)
    assert not list((root / "elsewhere").iterdir())


def test_more_files_are_opened_than_a_channel_has_names_for(here, ssh, root):
    """asyncssh counts the handles of open files up, and those from 128 on are no text."""
    source = here.path / "src"
    source.mkdir()
    for number in range(400):
        (source / str(number)).write_text(str(number))
    fits("cp", here("cp", "-r", "src", f"{ssh.at}/x"))
    fits("cp", here("cp", "-r", f"{ssh.at}/x", "back"))
    assert files_of(here.path / "back") == files_of(source) == files_of(root / "x")
    assert len(ssh.connections) == 2 and ssh.channels > 2


# ------------------------------------------------------------------ keys
def test_an_unknown_host_is_refused(here, ssh):
    (here.home / ".ssh/known_hosts").unlink()
    answer = here("ls", ssh.at)
    assert (answer.status, answer.code) == (5, "source-host-key"), str(answer)
    told = lines(answer)
    assert ssh.key.get_fingerprint() in told and f"ssh-keyscan -p {ssh.port} 127.0.0.1 >> ~/.ssh/known_hosts" in told
    assert ssh.users == []


def test_a_changed_host_is_refused(here, ssh):
    (here.home / ".ssh/known_hosts").write_text(ssh.known_hosts(asyncssh.generate_private_key("ssh-ed25519")))
    answer = here("ls", ssh.at)
    assert (answer.status, answer.code) == (5, "source-host-key"), str(answer)
    told = lines(answer)
    assert ssh.key.get_fingerprint() in told and f"ssh-keygen -R '[127.0.0.1]:{ssh.port}'" in told
    (here.home / ".ssh/known_hosts").write_text(f"@revoked * {ssh.key.export_public_key().decode()}" + ssh.known_hosts())
    assert "revoked" in lines(here("ls", ssh.at))
    assert ssh.users == []


def test_a_hashed_host_is_known(here, ssh, root):
    (root / "a").write_text("a")
    known = here.home / ".ssh/known_hosts"
    subprocess.run(["ssh-keygen", "-H", "-f", known], check=True, capture_output=True)
    assert "127.0.0.1" not in known.read_text()
    fits("ls", here("ls", ssh.at))


def lock(ssh, key):
    """The user's key, behind a passphrase."""
    key.write_bytes(ssh.user_key.export_private_key())
    key.chmod(0o600)
    subprocess.run(["ssh-keygen", "-p", "-P", "", "-N", "hunter2", "-f", key], check=True, capture_output=True)


def test_keys_that_do_not_open(here, ssh):
    key = here.home / ".ssh/id_ed25519"
    key.write_bytes(asyncssh.generate_private_key("ssh-ed25519").export_private_key())
    answer = here("ls", ssh.at)
    assert (answer.status, answer.code) == (5, "source-login"), str(answer)
    assert "id_ed25519" in lines(answer) and "ssh -v" in lines(answer)
    lock(ssh, key)
    answer = here("ls", ssh.at)
    assert answer.code == "source-login" and f"ssh-add {key}" in lines(answer), str(answer)
    key.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\nnonsense\n-----END OPENSSH PRIVATE KEY-----\n")
    assert here("ls", ssh.at).code == "source-login"
    key.unlink()
    answer = here("ls", ssh.at)
    assert answer.code == "source-login" and "ssh-keygen" in lines(answer)


@pytest.mark.parametrize("kind", ["ecdsa-sha2-nistp256", "ssh-rsa"])
def test_other_kinds_of_keys_open(here, ssh, root, kind):
    (root / "a").write_text("a")
    (here.home / ".ssh/id_ed25519").unlink()
    key = asyncssh.generate_private_key(kind)
    ssh.welcome.add(key.public_data)
    (here.home / ".ssh" / ("id_rsa" if kind == "ssh-rsa" else "id_ecdsa")).write_bytes(key.export_private_key())
    fits("ls", here("ls", ssh.at))


def test_the_agent_opens(here, ssh, root):
    (root / "a").write_text("a")
    key = here.home / ".ssh/id_ed25519"
    key.chmod(stat.S_IRUSR | stat.S_IWUSR)
    agent = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    words = dict(part.split("=", 1) for part in agent.replace("\n", ";").split(";") if "=" in part)
    try:
        subprocess.run(["ssh-add", key], env=os.environ | words, check=True, capture_output=True)
        lock(ssh, key)
        fits("ls", here("ls", ssh.at, SSH_AUTH_SOCK=words["SSH_AUTH_SOCK"]))
        key.unlink()
        fits("ls", here("ls", ssh.at, SSH_AUTH_SOCK=words["SSH_AUTH_SOCK"]))
    finally:
        os.kill(int(words["SSH_AGENT_PID"]), signal.SIGTERM)


def test_ssh_config_names_host_user_port_and_key(here, ssh, root):
    (root / "a").write_text("a")
    home = here.home
    (home / ".ssh/id_ed25519").rename(home / ".ssh/lab key")
    (home / ".ssh/config").write_text(f'Host lab\n  HostName 127.0.0.1\n  Port {ssh.port}\n  User scientist\n  IdentityFile "~/.ssh/lab key"\nHost far\n  ProxyJump lab\n')
    fits("ls", here("ls", "sftp://lab"))
    assert ssh.users == ["scientist"]
    answer = here("ls", "sftp://far")
    assert answer.code == "source-login" and "ssh -N -L" in lines(answer)


def test_remotes_of_rclone_lead_there(here, ssh, root):
    (root / "a").mkdir()
    (root / "a/air.nc").write_bytes(AIR.read_bytes())
    key = here.home / "lab.key"
    (here.home / ".ssh/id_ed25519").rename(key)
    (here.path / "rclone.conf").write_text(
        f"[lab]\ntype = sftp\nhost = 127.0.0.1\nport = {ssh.port}\nuser = me\nkey_file = ~/lab.key\nshell_type = unix\n"
        f"[word]\ntype = sftp\nhost = 127.0.0.1\nport = {ssh.port}\nuser = me\npass = hunter2-obscured\n")
    env = {"RCLONE_CONFIG": here.path / "rclone.conf"}
    assert fits("ls", here("ls", "lab:a", **env))["entries"][0]["key"] == "air.nc"
    fits("verify", here("verify", "lab:a/air.nc", **env))
    fits("cp", here("cp", AIR, "lab:b/air.nc", **env))
    assert (root / "b/air.nc").read_bytes() == AIR.read_bytes()
    answer = here("ls", "word:a", **env)
    assert answer.status == 7 and "password" in lines(answer)
    shown = fits("config-show", here("config", "show", **env))["remotes"]
    assert shown["lab"]["is_usable"] and not shown["word"]["is_usable"]


def test_what_servers_cannot_do_firns_writers_agree_on(here, ssh, root, monkeypatch):
    left_out = (b"hardlink@openssh.com", b"posix-rename@openssh.com", b"fsync@openssh.com", b"limits@openssh.com")
    handler = asyncssh.sftp.SFTPServerHandler
    monkeypatch.setattr(handler, "_extensions", [one for one in handler._extensions if one[0] not in left_out])
    (here.path / "a").write_text("a")
    fits("cp", here("cp", "a", f"{ssh.at}/x/a"))
    assert files_of(root) == {"x/a": b"a"}
    (here.path / "a").write_text("b")
    answer = here("cp", "--replace", "a", f"{ssh.at}/x/a")
    assert answer.status != 0 and files_of(root) == {"x/a": b"a"}, str(answer)


# ------------------------------------------------------------------ hostile servers
def entry(name, **facts):
    return asyncssh.SFTPName(name, attrs=asyncssh.SFTPAttrs(**({"permissions": 0o100644, "size": 1, "mtime": 1, "atime": 1} | facts)))


@pytest.mark.parametrize("name", [b"../evil", b"/etc/evil", b"a/../../evil", b"", b"nul\0l", b"x" * 5000])
def test_names_that_lead_out_are_refused(here, ssh, name):
    async def listed(path, scan):
        yield entry(name)
    ssh.on_list = listed
    answer = here("cp", "-r", f"{ssh.at}/x", "copy")
    assert answer.code == "source-broken-answer", str(answer)
    lines(answer)
    assert not (here.path / "evil").exists() and not (here.path / "copy").exists()


def test_odd_names_are_left_alone(here, ssh):
    async def listed(path, scan):
        for name in (b".", b"..", b"new\nline", b"\xff\xfe", b"good"):
            yield entry(name)
    ssh.on_list = listed
    entries = fits("ls", here("ls", f"{ssh.at}/x"))["entries"]
    assert "good" in str(entries) and "unusable" not in [e["kind"] for e in entries if e["key"] == "good"]


def test_folders_without_end_are_given_up(here, ssh):
    async def listed(path, scan):
        yield entry(b"deeper", permissions=0o40755)
    ssh.on_list = listed
    answer = here("ls", "-r", f"{ssh.at}/x")
    assert answer.code == "source-not-listable", str(answer)
    lines(answer)


def test_lying_sizes_and_changed_files_are_noticed(here, ssh, root):
    (root / "a").write_bytes(b"12345" * 1000)

    def lie(seen):
        seen = asyncssh.SFTPAttrs.from_local(seen)
        seen.size = 1 << 40
        return seen
    ssh.on_stat = lie
    for words in (["cat", f"{ssh.at}/a"], ["inspect", f"{ssh.at}/a"], ["cp", f"{ssh.at}/a", "copy"]):
        answer = here(*words)
        assert answer.status not in (0, None) and not answer.panicked, str(answer)
    assert not (here.path / "copy").exists()
    ssh.on_stat = None
    ssh.on_read = lambda read, file, offset, size: read(file, offset, size) + b"more" * 100000
    answer = here("cp", f"{ssh.at}/a", "copy")
    assert answer.status not in (0, None) and not answer.panicked, str(answer)
    assert not (here.path / "copy").exists()


def test_references_do_not_lead_there_unasked(here, ssh, root):
    (root / "air.nc").write_bytes(AIR.read_bytes())
    fits("virtualize", here("virtualize", AIR, "--target", "v.json", "--format", "kerchunk-json"))
    text = (here.path / "v.json").read_text().replace(f"file://{AIR}", f"{ssh.at}/air.nc")
    (here.path / "v.json").write_text(text)
    answer = here("verify", "v.json")
    assert answer.status != 0 and not ssh.users, str(answer)
    fits("verify", here("verify", "v.json", FIRN_REFERENCES=f"sftp://127.0.0.1:{ssh.port}"))


# ------------------------------------------------------------------ FTP
@pytest.mark.parametrize("without", [(), ("EPSV", "MLSD", "MLST", "FEAT"), ("MLST", "MLSD", "MDTM", "OPTS")], ids=["new", "old", "poor"])
def test_trees_come_over_ftp(here, ftp, root, without):
    names = make_tree(root / "pub")
    (root / "pub/large").write_bytes(os.urandom(1 << 20) * 40)
    (root / "pub/air.nc").write_bytes(AIR.read_bytes())
    server = ftp(without=without)
    assert {entry["key"] for entry in fits("ls", here("ls", "-r", f"{server.at}/pub"))["entries"]} == {*names, "large", "air.nc"}
    fits("cp", here("cp", "-r", f"{server.at}/pub", "copy"))
    assert files_of(here.path / "copy") == files_of(root / "pub")
    fits("check", here("check", f"{server.at}/pub", "copy"))
    fits("inspect", here("inspect", f"{server.at}/pub/air.nc"))
    fits("transform", here("transform", f"{server.at}/pub/a*.nc", "--target", "air.zarr"))
    fits("verify", here("verify", "air.zarr", "--against", f"{server.at}/pub/air.nc"))
    assert here("ls", f"{server.at}/nothing").status == 4
    assert here("inspect", f"{server.at}/nothing.nc").status == 4
    assert set(server.users) == {"anonymous"}


def test_ftp_is_not_written_to(here, ftp, root):
    server = ftp()
    (here.path / "a").write_text("a")
    for words in (["cp", "a", f"{server.at}/a"], ["transform", AIR, "--target", f"{server.at}/x.zarr"], ["rm", "--yes", f"{server.at}/a"]):
        answer = here(*words)
        assert answer.status in (4, 7), str(answer)
        lines(answer)
    assert here("cp", "a", f"{server.at}/a").code == "storage-unsupported"
    assert not set(server.commands) & {"STOR", "DELE", "MKD", "RNTO", "APPE", "PORT", "EPRT"}


def test_data_come_from_the_server_itself(here, ftp, root):
    (root / "a").write_text("a")
    server = ftp(without=("EPSV",), masquerade="192.0.2.1")
    assert here("cat", f"{server.at}/a", "-o", "text", timeout=30).stdout == "a"


def test_users_of_netrc_are_known_on_this_machine(here, ftp, root):
    (root / "a").write_text("a")
    server = ftp(user=("me", "hunter2"))
    (here.home / ".netrc").write_text("machine 127.0.0.1 login me password hunter2\n")
    fits("ls", here("ls", server.at, "-vvv"))
    assert set(server.users) == {"me"}


@pytest.mark.parametrize("text", [
    b"type=file;size=1;modify=20200101000000; ../evil\r\n", b"type=file;size=1;modify=20200101000000; /etc/evil\r\n", b"type=dir; ..\r\n", b"\0\r\n", b"x" * 100000,
    b"type=file;size=99999999999999999999; a\r\n", b"type=file;size=-1; a\r\n", b"\xff\xfe\r\n" * 100])
def test_hostile_listings_of_ftp(here, ftp, root, text):
    server = ftp(on_list=lambda command: text)
    answer = here("cp", "-r", f"{server.at}/pub", "copy", timeout=60)
    assert not answer.panicked and answer.status is not None, str(answer)
    assert not (here.path / "evil").exists() and not list(here.path.glob("copy/*"))


def test_ftp_over_tls_is_told_apart(here):
    answer = here("ls", "ftps://host/a")
    assert answer.status == 7 and "https" in lines(answer)
    answer = here("ls", "ftp://me:hunter2@host/a")
    assert answer.status == 2

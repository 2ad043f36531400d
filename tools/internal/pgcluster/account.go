package pgcluster

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
)

// serverAccount is who the servers run as when this program runs as root, which
// PostgreSQL refuses to.
const serverAccount = "postgres"

// account is who the servers run as.
type account struct {
	name     string
	uid, gid int
	change   bool // this program is root: give up its rights before exec
}

func findAccount() (account, error) {
	if os.Geteuid() != 0 {
		u, err := user.Current()
		if err != nil {
			return account{}, fmt.Errorf("pgcluster: who runs this: %w", err)
		}
		return account{name: u.Username, uid: os.Geteuid(), gid: os.Getegid()}, nil
	}
	u, err := user.Lookup(serverAccount)
	var unknown user.UnknownUserError
	if errors.As(err, &unknown) {
		return account{}, fmt.Errorf("PostgreSQL refuses to run as root, and there is no user %s to run it as: "+
			"run this as an ordinary user, or create one with `useradd --system %s`", serverAccount, serverAccount)
	} else if err != nil {
		return account{}, fmt.Errorf("pgcluster: look up user %s: %w", serverAccount, err)
	}
	a := account{name: u.Username, change: true}
	if a.uid, err = strconv.Atoi(u.Uid); err != nil {
		return account{}, fmt.Errorf("pgcluster: uid of user %s: %w", serverAccount, err)
	}
	if a.gid, err = strconv.Atoi(u.Gid); err != nil {
		return account{}, fmt.Errorf("pgcluster: gid of user %s: %w", serverAccount, err)
	}
	return a, nil
}

// prepare makes cmd run as the account. The rights are changed between fork and
// exec and not through runuser, which stays in between as the parent and would
// hide the program's own pid.
func (a account) prepare(cmd *exec.Cmd) {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	if a.change {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: uint32(a.uid), Gid: uint32(a.gid)}
		cmd.Env = append(os.Environ(), "HOME=/", "USER="+a.name, "LOGNAME="+a.name)
	}
}

// own gives a file or directory to the account.
func (a account) own(path string) error {
	if !a.change {
		return nil
	}
	if err := os.Chown(path, a.uid, a.gid); err != nil {
		return fmt.Errorf("pgcluster: give %s to user %s: %w", path, a.name, err)
	}
	return nil
}

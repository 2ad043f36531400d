package pages

// Run are the pages whose examples are run, one after the other on one cluster,
// from the top of the project. The first one forms the cluster.
var Run = []string{
	"docs/quickstart.md",
	"docs/installation.md",
	"docs/functions.md",
	"pgext/SETTINGS.md",
	"docs/monitoring.md",
	"docs/promises.md",
	"docs/operations.md",
	"docs/operations-cluster.md",
	"docs/operations-node.md",
}

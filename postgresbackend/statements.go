package postgresbackend

import (
	"strings"

	"github.com/jackc/pgx/v5"
)

// statements are the texts that depend on the schema. In the constants {} stands
// for it.
type statements struct {
	lock, readConfig, view                       string
	ahead, contended, tombstones                 string
	leasesOver, waitersOver                      string
	deleteLeases, saveCounters, saveConfig       string
	updateLabels                                 string
	leasesOf, waitersOf, count, dependents       string
	chained, due, endedAt                        string
	insertTombstones, purgeTombstones, tombstone string
	forget, trim                                 string
	oldest, totals                               string
	enterClient, purgeClients                    string
	removeClient, forgetClient                   string
	tryClients, confirmGone, waitersOfClient     string
	schema                                       string

	insertLeases, updateLeases table
	insertClaims, deleteClaims table
	insertChains, deleteChains table
	insertEvents               table
}

func newStatements(schema string) statements {
	quoted := pgx.Identifier{schema}.Sanitize()
	in := func(text string) string { return strings.ReplaceAll(text, "{}", quoted) }
	return statements{
		lock: in(lockCounters), readConfig: in(readConfig), view: in(loadView),
		ahead: in(readAhead), contended: in(readContended), tombstones: in(readTombstones),
		leasesOver: in(leasesOver), waitersOver: in(waitersOver),
		deleteLeases: in(deleteLeases), updateLabels: in(updateLabels), saveCounters: in(saveCounters), saveConfig: in(saveConfig),
		insertLeases: newTable(in(insertLeases), leaseTypes...), updateLeases: newTable(in(updateLeases), updatedTypes...),
		insertClaims: newTable(in(insertClaims), claimTypes...), deleteClaims: newTable(in(deleteClaims), claimTypes[:5]...),
		insertChains: newTable(in(insertChains), chainTypes...), deleteChains: newTable(in(deleteChains), chainTypes...),
		insertEvents: newTable(in(insertEvents), eventTypes...),
		leasesOf:     in(leasesOf), waitersOf: in(waitersOf), count: in(countOf), dependents: in(dependents),
		chained: in(chained), due: in(due), endedAt: in(endedAt),
		insertTombstones: in(insertTombstones), purgeTombstones: in(purgeTombstones), tombstone: in(readTombstone),
		forget: in(forgetEnded), trim: in(trimHistory),
		oldest: in(oldestEvent), totals: in(countTotals),
		enterClient: in(enterClient), purgeClients: in(purgeClients), removeClient: in(removeClient), forgetClient: in(forgetClient),
		tryClients: in(tryClients), confirmGone: in(confirmGone), waitersOfClient: in(waitersOfClient),
		schema: quoted,
	}
}

package benchmarks

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// serverCPU is the processor time the server has used since it started: the
// one figure of a run that a busy machine hardly changes.
func serverCPU(ctx context.Context, client *redis.Client) (time.Duration, error) {
	info, err := client.Info(ctx, "cpu").Result()
	if err != nil {
		return 0, err
	}
	var total float64
	for _, field := range []string{"used_cpu_sys:", "used_cpu_user:"} {
		_, rest, found := strings.Cut(info, "\n"+field)
		if !found {
			return 0, fmt.Errorf("INFO cpu has no %s", field)
		}
		value, _, _ := strings.Cut(rest, "\r")
		seconds, err := strconv.ParseFloat(value, 64)
		if err != nil {
			return 0, fmt.Errorf("INFO cpu, %s %w", field, err)
		}
		total += seconds
	}
	return time.Duration(total * float64(time.Second)), nil
}

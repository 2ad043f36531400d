package report

import (
	"bytes"
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgsvg"

	"github.com/pgraft/pgraft/tools/bench/internal/record"
)

// colours are those of columns, told apart by people who do not see all of them
// (Okabe and Ito 2008).
var colours = []color.RGBA{
	{R: 0xD5, G: 0x5E, A: 0xFF}, {R: 0xE6, G: 0x9F, A: 0xFF}, {G: 0x72, B: 0xB2, A: 0xFF},
	{G: 0x9E, B: 0x73, A: 0xFF}, {R: 0x56, G: 0xB4, B: 0xE9, A: 0xFF},
}

// SVG is a picture of throughput against latency: a line for each system, a point for
// each number of sessions. The error is of a summary without writes of two systems'.
func (s *Summary) SVG() ([]byte, error) {
	p := plot.New()
	p.Title.Text = "Writes of 256 bytes: throughput against latency, by number of sessions"
	p.X.Label.Text = "writes a second"
	p.Y.Label.Text = "latency, p50, ms"
	p.X.Scale, p.Y.Scale = plot.LogScale{}, plot.LogScale{}
	p.X.Tick.Marker, p.Y.Tick.Marker = plot.TickerFunc(ticks), plot.TickerFunc(ticks)
	p.Add(plotter.NewGrid())
	p.Legend.Top, p.Legend.Left = true, true
	p.Legend.Padding = vg.Points(3)
	lines := 0
	for i, c := range columns {
		points := s.points(c)
		if len(points.XYs) == 0 {
			continue
		}
		lines++
		line, dots, err := plotter.NewLinePoints(points.XYs)
		if err != nil {
			return nil, fmt.Errorf("picture: %s: %w", c.title, err)
		}
		labels, err := plotter.NewLabels(points)
		if err != nil {
			return nil, fmt.Errorf("picture: %s: %w", c.title, err)
		}
		labels.Offset = vg.Point{X: vg.Points(5), Y: vg.Points(-9)}
		line.Color, dots.Color, dots.Shape = colours[i], colours[i], draw.CircleGlyph{}
		line.Width = vg.Points(2)
		if c.through == record.Follower {
			line.Dashes = []vg.Length{vg.Points(4), vg.Points(3)}
		}
		p.Add(line, dots, labels)
		p.Legend.Add(c.title, line, dots)
	}
	if lines == 0 {
		return nil, fmt.Errorf("picture: no writes of %d bytes were measured", smallBytes)
	}
	p.X.Min, p.X.Max = wider(p.X.Min, p.X.Max)
	p.Y.Min, p.Y.Max = wider(p.Y.Min, p.Y.Max)
	canvas := vgsvg.New(vg.Points(720), vg.Points(480))
	canvas.SetColor(color.White)
	canvas.Fill(vg.Rectangle{Max: vg.Point{X: vg.Points(720), Y: vg.Points(480)}}.Path())
	p.Draw(draw.New(canvas))
	var b bytes.Buffer
	if _, err := canvas.WriteTo(&b); err != nil {
		return nil, fmt.Errorf("picture: %w", err)
	}
	return b.Bytes(), nil
}

// points are one system's, in the order of the sessions.
func (s *Summary) points(c column) plotter.XYLabels {
	var l plotter.XYLabels
	for _, n := range s.sessionsOf(record.Write, smallBytes) {
		if r := s.row(write(c, smallBytes, n)); r != nil && r.PerSecond.Median > 0 && r.P50.Median > 0 {
			l.XYs = append(l.XYs, plotter.XY{X: r.PerSecond.Median, Y: r.P50.Median})
			l.Labels = append(l.Labels, fmt.Sprint(n))
		}
	}
	return l
}

// wider leaves a margin on a logarithmic axis.
func wider(low, high float64) (float64, float64) { return low / 1.3, high * 1.3 }

// ticks are at 1, 2 and 5 of each power of ten, with small ones between.
func ticks(low, high float64) []plot.Tick {
	var l []plot.Tick
	for ten := math.Pow(10, math.Floor(math.Log10(low))); ten <= high; ten *= 10 {
		for _, digit := range []float64{1, 2, 3, 4, 5, 6, 7, 8, 9} {
			t := plot.Tick{Value: digit * ten}
			if digit == 1 || digit == 2 || digit == 5 {
				t.Label = fmt.Sprintf("%g", math.Round(t.Value*1e6)/1e6)
			}
			if t.Value >= low && t.Value <= high {
				l = append(l, t)
			}
		}
	}
	return l
}
